# One image for every plane; docker-compose.yml gives each its command.
# Stages: build (a virtual environment), meshsim (the default), load (meshsim and locust).
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements requirements
RUN python -m venv /opt/meshsim && /opt/meshsim/bin/pip install -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY meshsim meshsim
COPY controller controller
COPY loadtest loadtest
COPY examples examples
RUN /opt/meshsim/bin/pip install --no-deps . && mkdir /data /access

FROM python:3.11-slim AS meshsim
COPY --from=build /opt/meshsim /opt/meshsim
# Volumes mounted here belong to whom the directories belong to.
COPY --from=build --chown=10001:10001 /data /data
COPY --from=build --chown=10001:10001 /access /etc/meshsim
ENV PATH=/opt/meshsim/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["meshsim"]
CMD ["--help"]

FROM build AS build-load
RUN /opt/meshsim/bin/pip install -c requirements/dev.txt locust

FROM meshsim AS load
COPY --from=build-load /opt/meshsim /opt/meshsim
COPY loadtest /loadtest
ENTRYPOINT ["locust", "-f", "/loadtest/locustfile.py"]

FROM meshsim
