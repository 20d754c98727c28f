"""`make audit`: what is in the product, what is known against it, and what a static look at our own code finds.

Writes build/sbom.cdx.json (CycloneDX) from the pinned requirements. A database of vulnerabilities that cannot be asked,
or that knows nothing of a version that everybody knows is bad, has not cleared anything: then that step is skipped, and
says so.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_BIN: Final = Path(sys.executable).parent
_PINNED: Final = "requirements/runtime.txt"
_SBOM: Final = Path("build/sbom.cdx.json")
_KNOWN_BAD: Final = "pyyaml==5.3\n"
"""Runs what a document says (CVE-2020-1747)."""
_SECONDS: Final = 60


def main() -> int:
    """Do all three; returns 1 when anything was found."""
    _SBOM.parent.mkdir(exist_ok=True)
    _run("cyclonedx-py", "requirements", _PINNED, "--pyproject", "pyproject.toml", "--output-file", str(_SBOM))
    print(f"wrote {_SBOM}")
    outcomes = [_look_at_our_code(), _ask_about_requirements()]
    return 0 if all(outcomes) else 1


def _look_at_our_code() -> bool:
    run = _run("bandit", "--quiet", "-lll", "--recursive", "meshsim", "controller", "loadtest", check=False)
    print(run.stdout, end="")
    print("bandit: no high finding" if run.returncode == 0 else "bandit: look at the findings above")
    return run.returncode == 0


def _ask_about_requirements() -> bool:
    with tempfile.TemporaryDirectory() as directory:
        canary = Path(directory) / "canary.txt"
        canary.write_text(_KNOWN_BAD, encoding="utf-8")
        known = _audit("--no-deps", "--requirement", str(canary))
    if known is None or not any(mark in known.stdout for mark in ("CVE-", "GHSA-", "PYSEC-")):
        print(
            "pip-audit: SKIPPED, the requirements were NOT looked up: no database of vulnerabilities can be asked here"
        )
        return True
    asked = _audit("--requirement", _PINNED)
    if asked is None:
        print("pip-audit: SKIPPED, the database stopped answering")
        return True
    print(asked.stdout, end="")
    print("pip-audit: nothing known" if asked.returncode == 0 else "pip-audit: look at the findings above")
    return asked.returncode == 0


def _audit(*arguments: str) -> "subprocess.CompletedProcess[str] | None":
    try:
        return _run("pip-audit", "--progress-spinner", "off", *arguments, check=False)
    except subprocess.TimeoutExpired:
        return None


def _run(program: str, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([_BIN / program, *arguments], capture_output=True, text=True, check=check, timeout=_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
