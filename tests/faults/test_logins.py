"""Logging in: a crowd at once, guessing, and what the answers give away."""

import configparser
import hashlib
import itertools
import random
import re
import resource
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest
from argon2 import PasswordHasher
from e2e.client import PASSWORD, PATIENCE, Ended, Event, JsonClient, TextClient, at_once, eventually
from e2e.process import hashed

from .amounts import CORES, amounts, figure, needs_proc, soak_only
from .chatting import Pair
from .conftest import Start
from .procfs import address_space_of, forget_peak, peak_of, pss_of
from .target import Target

CROWD = amounts((36, 1), (200, 3))
"""How many log in at the same moment, and argon2's rounds; the memory is the default, 64 MiB."""

GUESSES = soak_only((200, 0.10))
"""Tries of each kind, and by which part their medians may differ."""

LONG_NAMES = 300

MEMORY_KIB = 65536
MARGIN_KIB = 24 * 1024
"""What a crowd's threads and argon2's lanes take beside the memory of the hashes."""

SETTINGS = {"login_address_failures": 30}

ATTACKER = "127.0.0.2"
ADDRESSES = (f"127.0.1.{at}" for at in itertools.count(1))
"""What a test with the shared server comes from: each counts by itself."""

FILTER = Path(__file__).parents[2] / "config" / "fail2ban" / "filter.d" / "chat.conf"


# -- a crowd --


def get_in(server: Target, name: str, start: threading.Barrier) -> int:
    """Log in with everybody else, and again when told to; return how often that was."""
    tries = 1
    client = server.guest()
    try:
        start.wait(PATIENCE)
        while True:
            answer = client.request("login", name=name, password=PASSWORD)
            if answer["event"] == "reply":
                return tries
            assert answer["code"] == "try_later", answer
            assert answer["retry_after"] >= 1
            time.sleep(answer["retry_after"] + random.random())
            tries += 1
            if client.ended:
                client.close()
                client = server.guest()
    except Ended:  # test_try_later_is_no_failed_login is about this
        client.close()
        client = server.guest()
        return tries + get_in(server, name, threading.Barrier(1))
    finally:
        client.close()


@needs_proc
@pytest.mark.parametrize("crowd", CROWD)
def test_crowd_gets_in_within_the_memory_of_one_hash_a_core(
    start: Start, crowd: tuple[int, int]
) -> None:
    count, rounds = crowd
    server = start(
        passwords_memory_kib=MEMORY_KIB,
        passwords_time_cost=rounds,
        passwords_parallelism=4,
        login_address_failures=30,
        login_deadline_seconds=120,
    )
    stored = PasswordHasher(time_cost=rounds, memory_cost=MEMORY_KIB, parallelism=4).hash(PASSWORD)
    names = [server.add_line(f"crowd{at}:{stored}", f"crowd{at}") for at in range(count)]
    with Pair(server) as chatting:
        base = pss_of(server.process)
        forget_peak(server.process)
        together = threading.Barrier(count)
        started = time.monotonic()
        tries = at_once(*(lambda name=name: get_in(server, name, together) for name in names))
        took = time.monotonic() - started
        peak = peak_of(server.process)
    figure(f"{count} logins at once, all in after (s)", round(took, 1))
    figure("... tries needed, most", max(tries))
    figure("... peak over base, MiB", (peak - base) // 1024)
    figure("... a chat message meanwhile, slowest (s)", round(max(chatting.took), 3))
    assert peak - base > MEMORY_KIB // 2, "the memory of the hashes was not seen at all"
    assert peak < base + CORES * MEMORY_KIB + MARGIN_KIB


def test_try_later_is_no_failed_login(start: Start) -> None:
    """Whoever is told to try later has not guessed wrong, however often."""
    server = start(login_address_failures=1)
    name = server.account("ann")
    slow = server.add_costing("slow", "another password", time_cost=500, memory_kib=1024)
    with server.guest() as guesser:
        guesser.send("login", name=slow, password=PASSWORD)
        eventually(lambda: is_put_off(server))
        with server.guest() as client:
            for _ in range(4):
                answer = client.request("login", name=name, password=PASSWORD)
                assert answer["code"] == "try_later", answer
                assert answer["retry_after"] >= 1


def is_put_off(server: Target) -> bool:
    """Tell whether somebody new is told to try later; who got in would always get in again."""
    with server.guest() as client:
        login = client.request("login", name=server.account("new"), password=PASSWORD)
        return login["event"] == "error"


# -- what the answers give away --


def impossible_logins(server: Target, stored: str) -> dict[str, str]:
    """Return names of which no login is possible with PASSWORD, by the reason why."""
    digest = hashlib.sha256(b"another password").hexdigest()
    return {
        "wrong": server.add_line(f"wrong:{stored}", "wrong"),
        "unknown": "nobody",
        "disabled": server.add_line(f"disabled:!{hashed(PASSWORD)}", "disabled"),
        "old hash": server.add_line(f"old:{digest}", "old"),
        "no name": "no name at all",
        "long name": "n" * 5000,
    }


def test_impossible_logins_are_equal_in_words_and_in_count(start: Start) -> None:
    server = start()
    names = impossible_logins(server, hashed("another password"))
    answers = {kind: guesses(server, name) for kind, name in names.items()}
    first = answers.pop("wrong")
    assert [each.get("code") for each in first] == ["bad_credentials"] * 3 + ["locked_out"] * 2
    for kind, each in answers.items():
        assert each == first, kind


def guesses(server: Target, name: str) -> list[Event]:
    """Guess until locked out; return what the server said, without its clock."""
    with server.guest() as client:
        told = [client.refused("login", name=name, password=PASSWORD) for _ in range(3)]
        told += client.to_end()
    with server.guest() as client:
        told.append(client.refused("login", name=name, password=PASSWORD))
    for each in told:
        if "retry_after" in each:
            seconds = str(each["retry_after"])
            assert 55 <= int(seconds) <= 60
            each["text"] = each["text"].replace(seconds, "N")
            each["retry_after"] = "N"
    return [each for each in told if each["event"] != "hello"]


@pytest.mark.parametrize("guess", GUESSES)
def test_impossible_logins_take_equally_long(start: Start, guess: tuple[int, float]) -> None:
    count, difference = guess
    server = start(passwords_memory_kib=8192, passwords_time_cost=2, login_attempts=1_000_000)
    stored = PasswordHasher(time_cost=2, memory_cost=8192, parallelism=1).hash("another password")
    names = impossible_logins(server, stored)
    names = {kind: names[kind] for kind in ("wrong", "unknown", "disabled", "old hash")}
    took = times_of_guesses(server, names, count)
    middles = {kind: median(each) for kind, each in took.items()}
    figure(
        f"{count} impossible logins of each kind, medians (ms)",
        {kind: round(1000 * each, 2) for kind, each in middles.items()},
    )
    for kind, middle in middles.items():
        assert abs(middle / middles["wrong"] - 1) < difference, kind


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("$argon2id$v=19$m=8,t=1", id="damaged"),
        pytest.param(
            PasswordHasher(time_cost=1, memory_cost=4096, parallelism=1).hash("another password"),
            id="from before the cost was raised",
        ),
    ],
)
@pytest.mark.soak
def test_account_whose_hash_is_cheap_takes_as_long(start: Start, stored: str) -> None:
    server = start(passwords_memory_kib=8192, passwords_time_cost=2, login_attempts=1_000_000)
    server.add_line(f"cheap:{stored}")
    took = times_of_guesses(server, {"cheap": "cheap", "unknown": "nobody"}, 20)
    assert abs(median(took["cheap"]) / median(took["unknown"]) - 1) < 0.25


def times_of_guesses(server: Target, names: dict[str, str], count: int) -> dict[str, list[float]]:
    """Guess `count` times for each name, in no order; return how long the answers took."""
    order = [*names] * count
    random.Random(1).shuffle(order)
    took: dict[str, list[float]] = {kind: [] for kind in names}
    with server.guest() as client:
        for kind in [*names, *order]:
            started = time.perf_counter()
            client.refused("login", name=names[kind], password=PASSWORD)
            took[kind].append(time.perf_counter() - started)
    return {kind: each[1:] for kind, each in took.items()}  # the first was to warm up


# -- guessing --


def wrong(client: JsonClient, name: str) -> Event:
    return client.refused("login", name=name, password="wrong password")


def fail(server: Target, source: str, names: list[str]) -> list[str]:
    """Guess wrong for each name, three to a connection; return the codes of the answers."""
    codes = []
    for at in range(0, len(names), 3):
        with server.guest(source) as client:
            codes += [wrong(client, name)["code"] for name in names[at : at + 3]]
    return codes


def test_thirty_failures_for_any_names_lock_out_the_address(server: Target) -> None:
    attacker, neighbour = next(ADDRESSES), next(ADDRESSES)
    names = server.accounts(*["victim"] * 10)
    everybody = names + [f"nobody{at}" for at in range(20)]
    bystander, another = server.accounts("ann", "bob")
    with server.guest(attacker) as inside:
        inside.login(bystander)
        assert fail(server, attacker, everybody[:-1]) == ["bad_credentials"] * 29
        with server.guest(attacker) as client:
            last = wrong(client, everybody[-1])
            assert last["attempts_left"] == 0
            assert 500 < last["retry_after"] <= 600
        for name in (names[0], another, "nobody-new"):
            with server.guest(attacker) as client:
                answer = client.refused("login", name=name, password=PASSWORD)
                assert answer["code"] == "locked_out"
                assert 500 < answer["retry_after"] <= 600
        for source in (neighbour, None):
            for name in (names[0], another):
                with server.guest(source) as client:
                    client.login(name)
        inside.say("who was in before stays in")


def test_guesses_at_the_same_moment_are_no_more_than_three(start: Start) -> None:
    server = start(passwords_memory_kib=8192, passwords_time_cost=2)
    name = server.add_costing("ann", PASSWORD, time_cost=2, memory_kib=8192)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.guest(ATTACKER)) for _ in range(10)]
        answers = at_once(*(lambda client=client: wrong(client, name) for client in clients))
    codes = [each["code"] for each in answers]
    assert sorted(codes) == ["bad_credentials"] * 3 + ["locked_out"] * 7
    left = [each["attempts_left"] for each in answers if "attempts_left" in each]
    assert sorted(left) == [0, 1, 2]
    assert server.log.count("login failed:") == 3


def test_guesses_at_the_same_moment_for_many_names_are_no_more_than_thirty(start: Start) -> None:
    server = start(passwords_memory_kib=8192, passwords_time_cost=2, login_address_failures=30)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.guest(ATTACKER)) for _ in range(60)]
        answers = at_once(
            *(
                lambda at=at, client=client: wrong(client, f"n{at}")
                for at, client in enumerate(clients)
            )
        )
    codes = [each["code"] for each in answers]
    assert codes.count("bad_credentials") <= 30
    assert set(codes) <= {"bad_credentials", "try_later", "locked_out"}
    assert server.log.count("login failed:") == codes.count("bad_credentials")


# -- under pressure --


@needs_proc
@pytest.mark.parametrize(
    ("memory_kib", "lanes", "room_mib"),
    [
        pytest.param(MEMORY_KIB, 1, 16, id="for the hash"),
        # More lanes than there are stacks that the C library keeps of hashes before.
        pytest.param(1024, 16, 4, id="for the threads of the hash"),
    ],
)
def test_lack_of_memory_is_no_wrong_password(
    start: Start, memory_kib: int, lanes: int, room_mib: int
) -> None:
    server = start(passwords_memory_kib=memory_kib, passwords_parallelism=1)
    server.expected = "login"
    name = server.add_costing("ann", PASSWORD, time_cost=1, memory_kib=memory_kib, lanes=lanes)
    with server.guest() as client:
        for _ in range(2):  # what is made once has been made, and the warm-up is over
            wrong(client, "nobody")
        unlimited = resource.RLIM_INFINITY
        room = address_space_of(server.process) + room_mib * 1024 * 1024
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (room, unlimited))
        codes = [client.refused("login", name=name, password=PASSWORD)["code"] for _ in range(2)]
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (unlimited, unlimited))
        client.login(name)
    assert set(codes) <= {"try_later", "internal"}
    assert server.log.count("login failed") == 2


@needs_proc
def test_failures_for_long_names_do_not_fill_the_memory(start: Start) -> None:
    server = start(login_attempts=1_000_000)
    with server.guest() as client:
        for at in range(30):
            wrong(client, f"{at}" + "x" * 60_000)
        base = pss_of(server.process)
        for at in range(LONG_NAMES):
            wrong(client, f"other{at}" + "x" * 60_000)
        growth = pss_of(server.process) - base
    figure(f"memory for {LONG_NAMES} failures with long names, KiB", growth)
    assert growth < LONG_NAMES * 60 // 3


# -- fail2ban --


def fail_regex() -> re.Pattern[str]:
    """Return the filter's expression with <HOST> as fail2ban has it: an address, or a name."""
    parser = configparser.ConfigParser()
    parser.read_string(FILTER.read_text("utf-8"))
    expression = parser["Definition"]["failregex"]
    address = (
        r"\[?(?:(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})"
        r"|(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):)))\]?"
    )
    return re.compile(expression.replace("<HOST>", rf"(?:{address}|(?P<dns>[\w\-.^_]*\w))"))


def as_seen_by_fail2ban(line: str) -> dict[str, str]:
    """Return a line as it comes out of the journal, and out of a file without its date."""
    return {"journal": f"box chat[4711]: {line}", "file": line[len("2026-11-22 15:24:02") :]}


FORGED = "[client-1] login failed: address=198.51.100.7 attempts_left=2 name=bob"

HOSTILE_NAMES = [
    "bob",
    "two words",
    "address=198.51.100.7",
    "bob address=198.51.100.7 attempts_left=2 name=",
    "bob\nlogin failed: address=198.51.100.7 attempts_left=2 name=",
    f"bob\n2026-11-22 15:24:02,123 WARNING {FORGED}",
    f"bob\r\n2026-11-22 15:24:02,123 WARNING {FORGED}",
    f"bob\u20282026-11-22 15:24:02,123 WARNING {FORGED}",
    "\x1b[2J\x1b[1;1H",
    "\x00",
    "%s%d%(name)s",
    FORGED,
    f"WARNING {FORGED}",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_fail2ban_finds_each_failure_once_with_the_true_address(server: Target, name: str) -> None:
    attacker = next(ADDRESSES)
    before = len(server.log)
    with server.guest(attacker) as client:
        assert [wrong(client, name)["code"] for _ in range(3)] == ["bad_credentials"] * 3
    with server.guest(attacker) as client:
        assert wrong(client, name)["code"] == "locked_out"
    if "\n" not in name and "\r" not in name:
        with TextClient(server.place, source=attacker) as person:
            person.send(name)
            person.send("wrong password")
            person.expect("Too many")
    pattern = fail_regex()
    lines = server.log[before:].splitlines()
    for form in ("journal", "file"):
        found = [
            match
            for each in lines
            for match in [pattern.search(as_seen_by_fail2ban(each)[form])]
            if match
        ]
        assert [match["ip4"] for match in found] == [attacker] * 3, form
