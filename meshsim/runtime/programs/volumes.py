"""Volumes: a program sees this machine's files, so nothing can be mounted for it; what it won't find is named."""

from pathlib import Path

from meshsim.api.core import Container


def missing_volumes(container: Container) -> tuple[str, ...]:
    """A sentence for each mount whose path isn't on this machine. Blocking."""
    return tuple(
        f'volume "{mount.name}" is not mounted: programs see this machine\'s files, and it has no {mount.mount_path}'
        for mount in container.volume_mounts
        if not Path(mount.mount_path).exists()
    )
