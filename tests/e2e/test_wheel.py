"""What is published works without the checkout: the wheel, in an empty virtual environment."""

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

import pytest

_REPOSITORY: Final = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints; fails the test with it when the command fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(400)
def test_the_wheel_brings_the_demo_to_a_machine_that_has_nothing_else(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, cwd=_REPOSITORY)
    (wheel,) = tmp_path.glob("meshsim-*.whl")
    venv.create(tmp_path / "empty", with_pip=True)
    programs = tmp_path / "empty" / "bin"
    run(programs / "pip", "install", "--quiet", "-r", _REPOSITORY / "requirements/runtime.txt", cwd=tmp_path)
    run(programs / "pip", "install", "--quiet", "--no-deps", wheel, cwd=tmp_path)
    run(programs / "pip", "check", cwd=tmp_path)

    assert run(programs / "meshsim", "--version", cwd=tmp_path).startswith("meshsim ")
    run(programs / "meshsim", "demo", "--speed", "20", "--rps", "50", cwd=tmp_path)
