# One image for every plane; docker-compose.yml gives each its command.
# Stages: build (a virtual environment), meshsim (the default), load (locust).
# It runs as anybody, on a read-only root, with nothing to write to but /tmp and what is mounted:
#   docker run --read-only --tmpfs /tmp -p 127.0.0.1:8080:8080 -v "$PWD/examples/blog-canary:/manifests:ro" \
#     meshsim up --host 0.0.0.0 -f /manifests
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements requirements
RUN python -m venv --without-pip /opt/meshsim && pip --python /opt/meshsim install -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY meshsim meshsim
COPY controller controller
COPY loadtest loadtest
COPY examples examples
RUN pip --python /opt/meshsim install --no-deps . && mkdir /data /access

FROM python:3.11-slim AS meshsim
COPY --from=build /opt/meshsim /opt/meshsim
# Volumes mounted here belong to whom the directories belong to.
COPY --from=build --chown=10001:10001 /data /data
COPY --from=build --chown=10001:10001 /access /etc/meshsim
# Who has no home keeps what it remembers in /tmp.
ENV PATH=/opt/meshsim/bin:$PATH PYTHONUNBUFFERED=1 XDG_STATE_HOME=/tmp
USER 10001:10001
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s CMD ["meshsim", "health"]
ENTRYPOINT ["meshsim"]
CMD ["--help"]

FROM python:3.11-slim AS build-load
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements requirements
RUN python -m venv --without-pip /opt/locust && pip --python /opt/locust install -c requirements/dev.txt locust

FROM python:3.11-slim AS load
COPY --from=build-load /opt/locust /opt/locust
COPY loadtest /loadtest
ENV PATH=/opt/locust/bin:$PATH PYTHONUNBUFFERED=1 PYTHONPATH=/
USER 10001:10001
ENTRYPOINT ["locust", "-f", "/loadtest/locustfile.py"]

FROM meshsim
