"""`python -m tests.fuzz.atheris_engine TARGET SECONDS CORPUS`: follow the branches that input takes."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["meshsim", "controller"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Search until the time is over or something is found; ends the process."""
    name, seconds, corpus = sys.argv[1:]
    target = TARGETS[name]
    for number, seed in enumerate(target.seeds):
        (Path(corpus) / f"seed-{number}").write_bytes(seed)
    with tempfile.NamedTemporaryFile("w", suffix=".dict") as words:
        words.writelines('"' + "".join(map(r"\x{:02x}".format, word)) + '"\n' for word in target.words)
        words.flush()
        options = [
            f"-max_total_time={seconds}",
            "-max_len=2048",
            "-timeout=5",
            "-rss_limit_mb=2048",
            f"-dict={words.name}",
            f"-artifact_prefix={corpus}/",
            corpus,
        ]
        atheris.Setup([sys.argv[0], *options], target.run)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
