"""Files: whole or as they were."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatserver.system.files import make_folder, open_private, tighten, write_atomically

from .fakes import raising


def test_a_file_is_replaced_not_changed_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old"  # whoever has it open goes on with the old one
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", raising(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_and_its_folder_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.path.isdir(handle)))  # noqa: PTH112
    write_atomically(tmp_path / "file", b"new")
    assert len(synced) == 2


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a data folder as somebody with an open umask left it."""
    folder = tmp_path / "data"
    (folder / "tls").mkdir(parents=True)
    for name in ("chat.db", "search.db", "search.db-wal", "user_pass.txt", "tls/key.pem", "notes"):
        (folder / name).touch()
        (folder / name).chmod(0o644)
    for each in (folder, folder / "tls"):
        each.chmod(0o755)
    return folder


def modes(folder: Path) -> dict[str, int]:
    found = [folder, *folder.rglob("*")]
    return {str(each.relative_to(folder)): each.lstat().st_mode & 0o777 for each in found}


@pytest.mark.usefixtures("open_umask")
def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path) -> None:
    make_folder(tmp_path / "above" / "data")
    os.close(open_private(tmp_path / "above" / "data" / "chat.lock"))
    assert modes(tmp_path / "above") == {".": 0o700, "data": 0o700, "data/chat.lock": 0o600}


def test_what_is_open_to_others_is_closed_and_named_once(data: Path) -> None:
    said = "\n".join(tighten(data))
    found = modes(data)
    assert found.pop("notes") == 0o644  # is not ours
    assert found.pop(".") == found.pop("tls") == 0o700
    assert set(found.values()) == {0o600}
    assert said.count("was open to others") == 7
    assert tighten(data) == []


def test_nothing_outside_the_folder_is_changed(data: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch()
    outside.chmod(0o644)
    (data / "chat.lock").symlink_to(outside)
    (data / "search.db-shm").hardlink_to(outside)
    assert any("second name" in each for each in tighten(data))
    assert outside.stat().st_mode & 0o777 == 0o644
    with pytest.raises(OSError, match="symbolic links"):
        open_private(data / "chat.lock")


@pytest.mark.parametrize("why", ["sticky", "others' folders"])
def test_a_folder_that_others_use_stays_as_it_is(data: Path, why: str) -> None:
    if why == "sticky":
        data.chmod(0o1777)
    else:
        (data / "somebody").mkdir()
    before = data.stat().st_mode
    assert "it stays so" in tighten(data)[0]
    assert data.stat().st_mode == before
    assert (data / "chat.db").stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@AS_ROOT
def test_what_root_makes_is_the_folders_owners(data: Path) -> None:
    os.chown(data, 12345, 12345)
    os.close(open_private(data / "chat.lock"))
    write_atomically(data / ".new", b"")
    make_folder(data / "more" / "still")
    tighten(data)
    made = [data / name for name in ("chat.lock", ".new", "more/still", "search.db", "tls")]
    assert {(each.stat().st_uid, each.stat().st_gid) for each in made} == {(12345, 12345)}
    assert (data / "notes").stat().st_uid == 0


@AS_ROOT
def test_root_is_not_led_to_a_file_of_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.chown(tmp_path / "link", 12345, 12345, follow_symlinks=False)
    with pytest.raises(OSError, match="somebody else's"):
        write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "secret").read_text() == "old"
