"""Unit tests of the volumes that a program doesn't get."""

from pathlib import Path

from meshsim.api.core import Container, VolumeMount
from meshsim.runtime.programs.volumes import missing_volumes


def test_only_a_path_that_is_not_on_this_machine_is_missing(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    mounts = (VolumeMount("scratch", str(tmp_path)), VolumeMount("config", nowhere))
    assert missing_volumes(Container("web", volume_mounts=mounts)) == (
        f'volume "config" is not mounted: programs see this machine\'s files, and it has no {nowhere}',
    )
