"""Where the shipped examples are: in the wheel, or beside the package in a checkout."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from meshsim.kit.errors import StartError


@contextmanager
def example(name: str) -> Iterator[Path]:
    """A directory of manifests, for as long as the block lasts. Raises StartError when it was not shipped."""
    package = files("meshsim")
    shipped = package / "examples" / name
    if shipped.is_dir():
        with as_file(shipped) as path:
            yield path
        return
    checkout = Path(str(package)).parent / "examples" / name
    if not checkout.is_dir():
        raise StartError(f'the example "{name}" is neither in this installation nor in {checkout.parent}')
    yield checkout
