"""Files for their owner alone."""

from pathlib import Path

import pytest

from meshsim.kit.private import create_private, write_private


def test_a_file_is_its_owners_alone_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old and longer")
    file.chmod(0o644)
    write_private(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_of_several_that_create_a_file_the_first_wins_and_all_learn_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert create_private(file, b"first") == b"first"
    assert create_private(file, b"second") == b"first"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_put_there_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "token"
    place.mkdir()
    with pytest.raises(IsADirectoryError):
        write_private(place, b"secret")
    assert list(tmp_path.iterdir()) == [place]


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write_private(tmp_path / "nowhere" / "token", b"")
