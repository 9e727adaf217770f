"""The backup: everything as it was at one moment, for its owner alone, and back again."""

import io
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from kept import Kept

from chatserver.accounts.file import Account, Accounts
from chatserver.net.certificate import ensure_certificate
from chatserver.storage.backup import BackupError, back_up, restore
from chatserver.storage.schema import OLDEST, StoreError
from chatserver.storage.snapshot import Chosen, stored

from .test_schema import make


def quiet(_done: int, _total: int) -> None:
    """Show nothing."""


def said(data: Path) -> list[str]:
    return [each.text for each in stored(data / "chat.db", Chosen())]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a data folder with a message, an account and a certificate in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    kept = Kept(folder / "chat.db")
    kept.say("hi")
    kept.close()
    with Accounts(folder / "user_pass.txt").edit() as draft:
        draft.put(Account("bob", "hash"))
    ensure_certificate(folder / "tls")
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat.backup"


@pytest.fixture
def restored(tmp_path: Path) -> Path:
    """Give the place of a folder that is not there yet."""
    return tmp_path / "restored"


def names_in(folder: Path) -> set[str]:
    """Return what is in a folder beside what SQLite keeps next to a database."""
    return {each.name for each in folder.iterdir()} - {"chat.db-wal", "chat.db-shm"}


def archive(file: Path, **members: bytes) -> Path:
    """Write a tar file that somebody else might have made."""
    with tarfile.open(file, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def test_what_is_backed_up_can_be_put_back_and_only_the_owner_may_read_any_of_it(
    data: Path, file: Path, restored: Path
) -> None:
    authority = ("tls/authority.pem", "tls/authority-key.pem")
    for name in authority:
        (data / name).write_text(name)
    back_up(data, file, quiet)
    assert file.stat().st_mode & 0o777 == 0o600
    restore(file, restored)
    assert said(restored) == ["hi"]
    for name in ("user_pass.txt", "tls/certificate.pem", "tls/key.pem", *authority):
        assert (restored / name).read_bytes() == (data / name).read_bytes()
    assert all(path.stat().st_mode & 0o077 == 0 for path in (restored, *restored.rglob("*")))


def test_a_running_server_is_backed_up_as_it_is_at_one_moment(
    data: Path, file: Path, restored: Path
) -> None:
    kept = Kept(data / "chat.db")
    kept.say("before")
    steps: list[tuple[int, int]] = []

    def meanwhile(done: int, total: int) -> None:
        steps.append((done, total))
        kept.say("after")

    back_up(data, file, meanwhile)
    kept.close()
    restore(file, restored)
    assert said(restored) == ["hi", "before"]
    assert steps[-1][0] == steps[-1][1] > 0


def test_a_server_that_was_never_used_has_less_to_back_up(
    tmp_path: Path, restored: Path, file: Path
) -> None:
    Kept(tmp_path / "chat.db").close()
    back_up(tmp_path, file, quiet)
    restore(file, restored)
    assert names_in(restored) == {"chat.db"}


def test_where_there_is_nothing_nothing_is_backed_up(tmp_path: Path, file: Path) -> None:
    with pytest.raises(BackupError, match=r"There is no chat\.db"):
        back_up(tmp_path, file, quiet)
    assert not file.exists()


def test_a_backup_that_fails_leaves_the_one_before(data: Path, file: Path) -> None:
    file.write_bytes(b"the one before")
    (data / "chat.db").write_bytes(b"damaged" * 1000)
    with pytest.raises(StoreError):
        back_up(data, file, quiet)
    assert file.read_bytes() == b"the one before"
    assert sorted(each.name for each in file.parent.iterdir()) == ["chat.backup", "data"]


def test_a_folder_that_is_not_there_is_an_error(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="cannot be written"):
        back_up(data, tmp_path / "none" / "chat.backup", quiet)


def test_nothing_is_ever_overwritten(data: Path, file: Path) -> None:
    back_up(data, file, quiet)
    with pytest.raises(BackupError, match="is not empty"):
        restore(file, data)
    with pytest.raises(BackupError):
        restore(file, data / "user_pass.txt")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"user_pass.txt": b"bob:hash"},
        {"chat.db": b""},
        {"chat.db": b"hello" * 1000},
    ],
)
def test_what_is_no_backup_is_refused_and_leaves_nothing(
    tmp_path: Path, restored: Path, file: Path, members: dict[str, bytes]
) -> None:
    archive(file, **members)
    with pytest.raises(BackupError):
        restore(file, restored)
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_a_file_of_another_kind_is_refused(restored: Path, file: Path) -> None:
    file.write_bytes(b"hello" * 1000)
    with pytest.raises(BackupError, match="is not a backup of chat"):
        restore(file, restored)


def test_a_damaged_database_is_refused(data: Path, file: Path, restored: Path) -> None:
    kept = Kept(data / "chat.db")
    for number in range(20):
        kept.say(f"{number}" * 2000)
    kept.close()
    content = bytearray((data / "chat.db").read_bytes())
    content[12288:20480] = b"\xa5" * 8192
    archive(file, **{"chat.db": bytes(content)})
    with pytest.raises(BackupError, match=r"damaged|no chat database"):
        restore(file, restored)
    assert not restored.exists()


def test_nothing_but_the_files_of_a_backup_is_written(
    data: Path, file: Path, tmp_path: Path, restored: Path
) -> None:
    members = {"chat.db": (data / "chat.db").read_bytes()}
    archive(file, **members, **{"../evil": b"x", "search.db": b"x", "tls/other": b"x"})
    restore(file, restored)
    assert names_in(restored) == {"chat.db"}
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_an_archive_leads_nowhere(
    data: Path, file: Path, restored: Path, kind: bytes
) -> None:
    with tarfile.open(file, "w") as tar:
        tar.add(data / "chat.db", "chat.db")
        link = tarfile.TarInfo("user_pass.txt")
        link.type, link.linkname = kind, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(BackupError):
        restore(file, restored)


def test_a_backup_cut_short_anywhere_is_refused_and_leaves_nothing(
    data: Path, file: Path, tmp_path: Path, restored: Path
) -> None:
    """Also where one file in it ends and the next begins, which a tar file does not mind."""
    back_up(data, file, quiet)
    whole = file.read_bytes()
    with tarfile.open(file) as tar:
        members = tar.getmembers()
    cuts = {0, 1, 511, len(whole) - 1, len(whole) - 512}
    for each in members:
        end = each.offset_data + each.size
        cuts |= {each.offset, each.offset + 100, each.offset_data, each.offset_data + 1, end - 1}
    for cut in sorted(cuts):
        file.write_bytes(whole[:cut])
        with pytest.raises(BackupError):
            restore(file, restored)
        assert {each.name for each in tmp_path.iterdir()} == {"data", file.name}
    file.write_bytes(whole)
    restore(file, restored)
    assert names_in(restored) == {"chat.db", "user_pass.txt", "tls"}


def test_what_is_linked_to_from_the_data_folder_is_backed_up(
    data: Path, file: Path, tmp_path: Path, restored: Path
) -> None:
    key = data / "tls" / "key.pem"
    key.rename(tmp_path / "elsewhere.pem")
    key.symlink_to(tmp_path / "elsewhere.pem")
    back_up(data, file, quiet)
    restore(file, restored)
    restored = tmp_path / "restored" / "tls" / "key.pem"
    assert not restored.is_symlink()
    assert restored.read_bytes() == key.read_bytes()


@pytest.mark.parametrize("name", ["chat.db", "user_pass.txt", "tls/key.pem"])
def test_what_is_backed_up_is_not_overwritten_by_it(data: Path, name: str) -> None:
    before = (data / name).read_bytes()
    with pytest.raises(BackupError, match="is a part of the data folder"):
        back_up(data, data / "tls" / ".." / name, quiet)
    assert (data / name).read_bytes() == before


def test_a_data_folder_may_be_named_by_a_link_or_a_dot(
    data: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(data, file, quiet)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    restore(file, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    monkeypatch.chdir(tmp_path / "two")
    restore(file, Path())
    for name in ("one", "two"):
        assert (tmp_path / name / "chat.db").exists()


def test_what_ends_in_the_middle_leaves_nothing(
    data: Path, file: Path, tmp_path: Path, restored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(data, file, interrupt)
    back_up(data, file, quiet)
    monkeypatch.setattr("shutil.copyfileobj", interrupt)
    with pytest.raises(KeyboardInterrupt):
        restore(file, restored)
    assert {each.name for each in tmp_path.iterdir()} == {"data", file.name}


def test_damage_that_is_no_text_is_damage_like_any_other(
    data: Path, file: Path, restored: Path
) -> None:
    """SQLite quotes it in its message, which Python then cannot read."""
    database = data / "chat.db"
    content = database.read_bytes()
    for sound, damaged in ((b"tablegone", b"table\xd3one"), (b"CREATE TABLE gone", b"\xffREATE")):
        assert content.count(sound) == 1
        content = content.replace(sound, damaged.ljust(len(sound)))
    database.write_bytes(content)
    archive(file, **{"chat.db": database.read_bytes()})
    with pytest.raises(BackupError, match="no chat database"):
        restore(file, restored)
    with pytest.raises(StoreError):
        back_up(data, file, quiet)
    with pytest.raises(StoreError):
        list(stored(database, Chosen()))
    with pytest.raises(StoreError):
        Kept(database)


def test_a_flipped_byte_anywhere_is_refused(data: Path, file: Path, restored: Path) -> None:
    back_up(data, file, quiet)
    whole = file.read_bytes()
    with tarfile.open(file) as tar:
        members = tar.getmembers()
    places = {len(whole) - 1, len(whole) - 1024, *range(0, 512, 7), *range(148, 156)}
    for each in members:
        end = each.offset_data + each.size
        places |= {each.offset + at for at in (0, 100, 155)} | {each.offset_data, end - 1, end}
    places |= {whole.index(b"hi", members[-1].offset_data)} | set(range(0, len(whole), 4999))
    for place in sorted(places):
        damaged = bytearray(whole)
        damaged[place] ^= 0x01
        file.write_bytes(damaged)
        with pytest.raises(BackupError):
            restore(file, restored)
        assert not restored.exists(), place
    file.write_bytes(whole)
    assert restore(file, restored)


def test_a_backup_of_the_first_version_has_no_checksums(
    data: Path, file: Path, restored: Path
) -> None:
    archive(file, **{"chat.db": (data / "chat.db").read_bytes()})
    assert not restore(file, restored)


@pytest.mark.parametrize("name", ["chat.db", "user_pass.txt", "SHA256SUMS"])
def test_a_hole_in_an_archive_is_refused_before_it_is_written(
    file: Path, restored: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sparse = tarfile.TarInfo(name)
    sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 512
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"00000000000\0" + b"00000001000\0"
    header[483:495] = b"20000000000\0"  # 2 GiB when it is written out
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    plain = archive(file, **{} if name == "chat.db" else {"chat.db": b"x"}).read_bytes()
    file.write_bytes(bytes(header) + bytes(512) + plain)
    monkeypatch.setattr("shutil.copyfileobj", lambda *_: pytest.fail("it was written"))
    with pytest.raises(BackupError, match="is not a backup"):
        restore(file, restored)


def test_what_somebody_else_put_into_a_database_is_refused(
    data: Path, file: Path, restored: Path
) -> None:
    with closing(sqlite3.connect(data / "chat.db")) as connection:
        connection.executescript("CREATE VIEW evil AS SELECT 1")
    archive(file, **{"chat.db": (data / "chat.db").read_bytes()})
    with pytest.raises(BackupError, match="no chat database"):
        restore(file, restored)
    with pytest.raises(StoreError, match="not chat's"):
        back_up(data, file, quiet)


def test_a_backup_of_the_version_before_is_put_back_as_it_is(
    file: Path, tmp_path: Path, restored: Path
) -> None:
    """The server brings it up when it starts."""
    old = tmp_path / "old.db"
    make(old, OLDEST)
    archive(file, **{"chat.db": old.read_bytes()})
    restore(file, restored)
    assert (tmp_path / "restored" / "chat.db").read_bytes() == old.read_bytes()
