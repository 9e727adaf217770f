"""Who is trusted: by a fingerprint, or by a key that was met before."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chatclient.errors import ConnectFailed
from chatclient.link.trust import Trust, is_this_machine

from .fake import DEADLINE
from .identity import ALICE, HOST, MALLORY, PORT, Identity, Person, meet, nobody

PLACE = f"{HOST}:{PORT}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the pins are. Nothing of the path is there yet."""
    return tmp_path / "config" / "chat" / "known_servers"


def refused(trust: Trust, identity: Identity, host: str = HOST, port: int = PORT) -> str:
    """Expect a hard stop; return what it says."""
    with pytest.raises(ConnectFailed) as caught:
        trust.check(host, port, identity.der)
    return caught.value.text


# -- the first time, and after that --


def test_the_first_time_the_fingerprint_is_shown_and_the_key_is_pinned(file: Path) -> None:
    person = Person()
    trust = Trust(file, person)
    assert not trust.knows(HOST, PORT)
    trust.check(HOST, PORT, ALICE.der)
    assert trust.knows(HOST, PORT)
    (question,) = person.asked
    assert PLACE in question
    assert ALICE.fingerprint in question.split()
    assert all(len(line) < 80 or ALICE.fingerprint in line for line in question.split("\n"))
    assert file.read_text("utf-8") == f"{PLACE} {ALICE.pin} {ALICE.fingerprint}\n"
    assert file.stat().st_mode & 0o077 == 0


def test_without_anybody_to_ask_it_is_an_error_that_names_the_way_out(file: Path) -> None:
    text = refused(Trust(file), ALICE)
    assert f"--fingerprint {ALICE.fingerprint}" in text
    assert not file.exists()
    Trust(file, fingerprint=ALICE.fingerprint).check(HOST, PORT, ALICE.der)


def test_the_same_key_is_met_again_without_a_question(file: Path) -> None:
    meet(file)
    before = file.read_bytes()
    renewed = ALICE.renewed()
    assert renewed.der != ALICE.der
    for identity in (ALICE, renewed):
        Trust(file, nobody).check(HOST, PORT, identity.der)
        Trust(file).check(HOST, PORT, identity.der)
    assert file.read_bytes() == before


def test_the_fingerprint_of_a_key_stays_when_the_certificate_is_renewed(file: Path) -> None:
    trust = Trust(file, fingerprint=ALICE.pin)
    for identity in (ALICE, ALICE.renewed()):
        trust.check(HOST, PORT, identity.der)
    assert MALLORY.fingerprint in refused(trust, MALLORY)
    assert not file.exists()


def test_a_changed_key_is_a_hard_stop_until_its_line_is_deleted(file: Path) -> None:
    meet(file, port=1)
    meet(file)
    before = file.read_text("utf-8")
    text = refused(Trust(file, nobody), MALLORY)
    for each in (ALICE.fingerprint, MALLORY.fingerprint, PLACE, str(file)):
        assert each in text
    assert file.read_text("utf-8") == before
    first, _ = before.splitlines(keepends=True)
    file.write_text(first, "utf-8")
    meet(file, MALLORY)
    assert "CHANGED" in refused(Trust(file, nobody), ALICE)
    Trust(file, nobody).check(HOST, 1, ALICE.der)


# -- places --


@pytest.mark.parametrize(
    ("host", "port"),
    [
        (HOST, 4118),
        (HOST, 411),
        (HOST, 41190),
        ("chat.example.org", PORT),
        ("hat.example", PORT),
        ("192.0.2.1", PORT),
        ("2001:db8::1", PORT),
    ],
)
def test_every_host_and_port_is_a_server_of_its_own(file: Path, host: str, port: int) -> None:
    meet(file)
    assert not Trust(file).knows(host, port)
    person = Person()
    Trust(file, person).check(host, port, MALLORY.der)
    assert len(person.asked) == 1
    Trust(file, nobody).check(host, port, MALLORY.der)
    Trust(file, nobody).check(HOST, PORT, ALICE.der)
    assert "CHANGED" in refused(Trust(file, nobody), ALICE, host, port)


def test_an_ipv6_address_does_not_run_into_its_port(file: Path) -> None:
    meet(file, ALICE, "2001:db8::1", 4119)
    assert file.read_text("utf-8").startswith("[2001:db8::1]:4119 ")
    assert not Trust(file).knows("2001:db8::1:4119", 4119)
    assert not Trust(file).knows("2001:db8:", 1)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("Chat.Example", "CHAT.example"),
        ("chat.example", "chat.example."),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "bücher.example"),
        ("::1", "0:0:0:0:0:0:0:1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("2001:db8::A", "2001:DB8:0::a"),
    ],
)
def test_a_host_is_the_same_however_it_is_written(file: Path, first: str, then: str) -> None:
    meet(file, host=first)
    assert "CHANGED" in refused(Trust(file, nobody), MALLORY, then)
    file.unlink()
    meet(file, host=then)
    assert "CHANGED" in refused(Trust(file, nobody), MALLORY, first)


@pytest.mark.parametrize("place", ["chat.example.:4119", "[2001:db8:0::a]:4119", "bücher.de:4119"])
def test_lines_of_an_older_version_are_honoured(file: Path, place: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(f"{place} {ALICE.pin} {ALICE.fingerprint}\n", "utf-8")
    host = place.rpartition(":")[0].strip("[]")
    assert Trust(file).demands_tls(host, 4119)
    Trust(file, nobody).check(host, 4119, ALICE.der)
    assert "CHANGED" in refused(Trust(file, nobody), MALLORY, host)


@pytest.mark.parametrize(
    ("hosts", "here"),
    [
        ("localhost LOCALHOST localhost. 127.0.0.1 127.255.0.9 ::1 0::1 ::ffff:127.0.0.1", True),
        ("localhost.example a.localhost localhost.. ip6-localhost chat", False),
        ("127.1 2130706433 0.0.0.0 128.0.0.1 127.0.0.1.example :: ::2 ::ffff:192.0.2.1", False),
    ],
    ids=["this machine", "other names", "other addresses"],
)
def test_this_machine_has_these_names_and_no_others(hosts: str, here: bool) -> None:
    assert {host: is_this_machine(host) for host in hosts.split()} == dict.fromkeys(
        hosts.split(), here
    )
    assert not is_this_machine("")


# -- a fingerprint given --


@pytest.mark.parametrize("colons", [True, False])
@pytest.mark.parametrize("case", [str.upper, str.lower, str.swapcase])
def test_a_fingerprint_is_taken_however_it_is_written(
    file: Path, colons: bool, case: Callable[[str], str]
) -> None:
    given = case(ALICE.fingerprint if colons else ALICE.fingerprint.replace(":", ""))
    trust = Trust(file, nobody, given)
    assert trust.explicit
    trust.check(HOST, PORT, ALICE.der)
    assert not file.exists()


@pytest.mark.parametrize("other", [MALLORY, ALICE.renewed()], ids=["another", "renewed"])
def test_another_certificate_is_refused_and_nothing_is_asked(file: Path, other: Identity) -> None:
    text = refused(Trust(file, nobody, ALICE.fingerprint), other)
    assert ALICE.fingerprint in text
    assert other.fingerprint in text
    assert not file.exists()


def test_a_fingerprint_counts_more_than_a_pin(file: Path) -> None:
    meet(file)
    Trust(file, nobody, MALLORY.fingerprint).check(HOST, PORT, MALLORY.der)
    assert refused(Trust(file, nobody, MALLORY.fingerprint), ALICE)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "yes",
        ALICE.fingerprint[:-1],
        f"{ALICE.fingerprint}:00",
        f"G{ALICE.fingerprint[1:]}",
        f"٣{ALICE.fingerprint[1:]}",
        hashlib.sha1(ALICE.der).hexdigest(),
    ],
    ids=["empty", "a word", "too short", "too long", "a letter", "other digits", "SHA-1"],
)
def test_what_is_no_fingerprint_is_an_error_at_once(file: Path, given: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        Trust(file, nobody, given)


# -- the file --


@pytest.mark.parametrize("obstacle", ["a folder", "not UTF-8", "a file as its folder"])
def test_a_file_that_cannot_be_read_is_an_error_and_not_unknown(file: Path, obstacle: str) -> None:
    file.parent.parent.mkdir()
    match obstacle:
        case "a folder":
            file.mkdir(parents=True)
        case "not UTF-8":
            file.parent.mkdir()
            file.write_bytes(f"{PLACE} {ALICE.pin} {ALICE.fingerprint}\n".encode("utf-16"))
        case _:
            file.parent.write_bytes(b"")
    trust = Trust(file, nobody)
    with pytest.raises(ConnectFailed, match="Cannot read") as caught:
        trust.knows(HOST, PORT)
    assert str(file) in caught.value.text
    assert "Cannot read" in refused(trust, ALICE)


@pytest.mark.parametrize(
    "left", [PLACE, f"{PLACE} {ALICE.pin[:20]}"], ids=["before the key", "in the key"]
)
def test_a_damaged_line_is_an_error_and_not_unknown(file: Path, left: str) -> None:
    meet(file, port=1)
    with file.open("a", encoding="utf-8") as opened:
        opened.write(left)  # and the power went
    trust = Trust(file, nobody)
    with pytest.raises(ConnectFailed, match="damaged") as caught:
        trust.knows(HOST, PORT)
    assert str(file) in caught.value.text
    assert PLACE in caught.value.text
    assert "damaged" in refused(trust, ALICE)
    Trust(file, nobody).check(HOST, 1, ALICE.der)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: f"\ufeff{text}",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(" ", "\t "),
        lambda text: f"# ours\n\n{text}\n",
        lambda text: text.replace("\n", "  # in the cellar\n"),
        lambda text: text.rstrip("\n"),
    ],
    ids=["byte order mark", "CR LF", "tabs", "remarks", "a remark behind", "no last newline"],
)
def test_the_file_may_be_edited(file: Path, change: Callable[[str], str]) -> None:
    meet(file)
    file.write_bytes(change(file.read_text("utf-8")).encode())
    edited = file.read_bytes()
    assert "CHANGED" in refused(Trust(file, nobody), MALLORY)
    meet(file, MALLORY, port=1)
    assert file.read_bytes().startswith(edited)
    for port, identity in ((PORT, ALICE), (1, MALLORY)):
        Trust(file, nobody).check(HOST, port, identity.der)


def test_the_file_may_be_elsewhere(file: Path) -> None:
    elsewhere = file.parent.parent.parent / "dotfiles"
    elsewhere.write_bytes(b"")
    file.parent.mkdir(parents=True)
    file.symlink_to(elsewhere)
    meet(file)
    assert file.is_symlink()
    assert PLACE in elsewhere.read_text("utf-8")


def test_a_server_that_cannot_be_pinned_is_not_trusted(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.symlink_to(file.parent / "nowhere" / "known_servers")
    text = refused(Trust(file, Person()), ALICE)
    assert text.startswith("Cannot write")
    assert str(file) in text


def test_a_certificate_that_cannot_be_read_is_an_error(file: Path) -> None:
    for rubbish in (b"", b"rubbish", ALICE.der[:-1]):
        with pytest.raises(ConnectFailed, match="cannot be read"):
            Trust(file, nobody).check(HOST, PORT, rubbish)


# -- others at the same time --


@pytest.mark.parametrize("faster", [ALICE, MALLORY], ids=["the same", "another"])
def test_somebody_else_may_pin_while_the_question_is_open(file: Path, faster: Identity) -> None:
    def think(question: str) -> bool:
        meet(file, faster)
        return True

    trust = Trust(file, think)
    if faster is ALICE:
        trust.check(HOST, PORT, ALICE.der)
    else:
        assert "CHANGED" in refused(trust, ALICE)
    assert file.read_text("utf-8") == f"{PLACE} {faster.pin} {faster.fingerprint}\n"


_PINS_MANY = """
import sys
import tempfile
from pathlib import Path
from chatclient.link.trust import Trust, key_of
file, name, certificate = Path(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3])
trust = Trust(file, lambda question: True)
key_of(certificate)
print(flush=True)
input()
for port in range(1, 51):
    trust.check(name, port, certificate)
"""


def test_two_processes_that_pin_at_once_lose_nothing(file: Path) -> None:
    names = ("one.example", "two.example.org")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PINS_MANY, str(file), name, ALICE.der.hex()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in names
    ]
    try:
        for each in processes:
            assert each.stdout is not None
            assert each.stdout.readline()
        for each in processes:
            assert each.stdin is not None
            each.stdin.write(b"\n")
            each.stdin.flush()
        assert [each.wait(DEADLINE) for each in processes] == [0, 0]
    finally:
        for each in processes:
            each.kill()
            each.communicate()
    # Whoever looks at a line while it is being written begins another: some may be empty.
    lines = [line for line in file.read_text("utf-8").splitlines() if line]
    expected = [
        f"{name}:{port} {ALICE.pin} {ALICE.fingerprint}" for name in names for port in range(1, 51)
    ]
    assert sorted(lines) == sorted(expected)
