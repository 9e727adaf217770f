"""History and search: everybody finds all that was theirs to read, and nothing else."""

import itertools
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept import Kept, item

from .client import Event, Flood, JsonClient, eventually, seqs
from .conftest import StartServer
from .process import ServerProcess, chat, environment

DUMP = Path(__file__).parent.parent / "storage" / "databases" / "3.sql"
DAY = 86_400_000
OLD = 600
"""How many messages are older than is kept: more than are deleted in one step."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for the module, on a database in which much is older than is kept."""
    data = tmp_path_factory.mktemp("server") / "data"
    data.mkdir(mode=0o700)
    kept = Kept(data / "chat.db", "elder", "heir")
    elder, heir = kept.state.accounts
    now = int(time.time() * 1000)
    kept.apply(
        *(
            item(f"ancient {number}", elder, *[heir] * (number % 2), at=now - 40 * DAY + number)
            for number in range(OLD)
        ),
        item("younger", elder, at=now - 20 * DAY),
        item("younger too", elder, heir, at=now - 19 * DAY),
    )
    kept.leave(acked=OLD)
    kept.close()
    server = ServerProcess(data, "--data", str(data), env=environment(history_retention_days=30))
    for name in ("elder", "heir"):
        server.add(name)
    yield server
    server.stop()


def texts(answer: Event) -> list[str]:
    return [each["text"] for each in answer["messages"]]


def test_what_is_older_than_is_kept_goes_while_people_talk(server: ServerProcess) -> None:
    with server.json(server.account("ann")) as sender, server.json("heir") as heir:
        with Flood(sender) as flood:
            flood.wait_for(20)
            eventually(lambda: texts(heir.ask("history", limit=500, after=0))[:1] == ["younger"])
            flood.wait_for(20)
        assert texts(heir.ask("history", **{"with": "elder"})) == ["younger too"]
        assert texts(heir.ask("search", query="from:elder")) == ["younger too", "younger"]
        assert texts(heir.ask("search", query="ancient")) == []
        said = heir.ask("history", after=OLD + 2, limit=500)["messages"]
        assert [each["text"] for each in said if each["from"] == sender.name][:40] == [
            str(number + 1) for number in range(40)
        ]

    with closing(sqlite3.connect(server.data / "chat.db")) as database:
        assert database.execute("SELECT min(seq) FROM messages").fetchone() == (OLD + 1,)
        assert database.execute(
            "SELECT min(seq) FROM messages WHERE conversation > 1"
        ).fetchone() == (OLD + 2,)


def test_the_past_in_the_text_dialect(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender, server.text(bob) as reader:
        sender.say("the room\nbob: forged")
        sender.tell(bob, "first words")
        sender.tell(bob, "last words")
        reader.line("last words")
        for asked, expected, end in [
            ("history 1", [f"{ann}: the room", "    bob: forged"], "That is all."),
            ("history lobby 1", [f"{ann}: the room", "    bob: forged"], "That is all."),
            (f"history {ann}", [f"{ann} → you: first words", f"{ann} → you: last words"], "That"),
            (
                f"HISTORY {ann} 1",
                [f"{ann} → you: last words"],
                "There is more: ask again with a count and ",
            ),
            (f"/search words from:{ann}", [f"{ann} → you: last words", f"{ann} → you: first"], ""),
            ('search "last words"', [f"{ann} → you: last words"], "That is all."),
            ("search nothing of the kind", [], "Nothing was found."),
        ]:
            reader.send(asked)
            answer = reader.expect("\n-- " if expected else "-- ")
            lines = answer.splitlines()[: len(expected)]
            assert len(answer.splitlines()) == len(expected) + 1
            for line, wanted in zip(lines, expected, strict=True):
                stamped = re.sub(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d UTC\] ", "", line)
                assert stamped.startswith(wanted)
                assert (stamped == line) == wanted.startswith("    ")
            assert reader.line().startswith(end)


def test_a_new_account_of_an_old_name_inherits_nothing(server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(ann) as sender:
        with server.json(bob) as old:
            sender.tell(bob, "secret plan")
            old.tell(ann, "secret answer", key="1")
            assert len(texts(old.ask("search", query="secret"))) == 2
            old.ask("busy", reply="the old one is out")
            old.ask("hide")
            sender.tell(bob, "secret that waits")
        assert chat("deluser", bob, "--data", server.data).returncode == 0
        sender.say("said when there was nobody of that name")
        server.add(bob)
        with server.json() as new:
            reply = new.login(bob, since=0)
            assert (reply["busy"], reply["hidden"], reply["missed"]) == (False, False, 0)
            sender.tell(bob, "secret welcome")
            assert new.texts(1) == ["secret welcome"]
            assert texts(new.ask("search", query="secret")) == ["secret welcome"]
            assert texts(new.ask("search", query=f"from:{bob}")) == []
            assert texts(new.ask("history", **{"with": ann})) == ["secret welcome"]
            assert new.tell(ann, "secret answer", key="1").get("duplicate") is None
        assert len(texts(sender.ask("search", query="secret"))) == 5


# -- nobody reads what is not theirs --

WORDS = ("apple", "apply", "pear", "so", "far")
PEOPLE = range(4)


@dataclass(frozen=True)
class Said:
    """What one of the people said, to some or, where `to` is empty, to everybody."""

    by: int
    to: tuple[int, ...]
    words: tuple[str, ...]

    def readable(self, who: int) -> bool:
        return not self.to or who == self.by or who in self.to

    def between(self, one: int, other: int) -> bool:
        if one == other:
            return self.by == one and self.to == (one,)
        return (self.by == one and other in self.to) or (self.by == other and one in self.to)


@dataclass(frozen=True)
class Query:
    """Words that must occur, beginnings, phrases, and a sender."""

    words: tuple[str, ...]
    beginning: str
    phrase: tuple[str, ...]
    by: int | None

    def typed(self, names: list[str]) -> str:
        parts = [*self.words]
        parts += [f"{self.beginning}*"] if self.beginning else []
        parts += [f'"{" ".join(self.phrase)}"'] if self.phrase else []
        parts += [f"from:{names[self.by].upper()}"] if self.by is not None else []
        return " ".join(parts)

    def matches(self, said: Said) -> bool:
        runs = [
            said.words[at : at + len(self.phrase)]
            for at in range(len(said.words) - len(self.phrase) + 1)
        ]
        return (
            all(word in said.words for word in self.words)
            and any(word.startswith(self.beginning) for word in said.words)
            and self.phrase in runs
            and self.by in (None, said.by)
        )


anybody = st.sampled_from(PEOPLE)
word = st.sampled_from(WORDS)
conversations = st.lists(
    st.builds(
        Said,
        anybody,
        st.lists(anybody, max_size=3, unique=True).map(tuple),
        st.lists(word, min_size=1, max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=12,
)
queries = st.builds(
    Query,
    st.lists(word, max_size=2).map(tuple),
    st.sampled_from(["", "a", "appl", "apple", "p"]),
    st.lists(word, max_size=2).map(tuple),
    st.none() | anybody,
)


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> Iterator[list[JsonClient]]:
    """Give four people who are here."""
    with ExitStack() as stack:
        yield [stack.enter_context(server.json(name)) for name in server.accounts(*["pat"] * 4)]


tags = (f"tag{number}" for number in itertools.count(1))


@settings(max_examples=12)
@given(conversations, st.lists(queries, min_size=2, max_size=4), st.integers(1, 6))
def test_everybody_reads_what_they_sent_and_were_sent_and_nothing_else(
    people: list[JsonClient], conversation: list[Said], asked: list[Query], limit: int
) -> None:
    names = [each.name for each in people]
    tag = next(tags)  # tells what is said now from what was said in other examples
    said: dict[int, Said] = {}
    waiting = []
    for each in conversation:
        to = {"to": [names[at] for at in each.to]} if each.to else {}
        text = " ".join((*each.words, tag))
        waiting.append(people[each.by].send("send" if to else "broadcast", text=text, **to))
    for number, each in zip(waiting, conversation, strict=True):
        said[people[each.by].answer(number)["seq"]] = each
    start = min(said) - 1
    for me, client in enumerate(people):
        room = sorted(seq for seq, each in said.items() if not each.to)
        pages = [({"room": "lobby"}, room)]
        for other in PEOPLE:
            ours = sorted(seq for seq, each in said.items() if each.between(me, other))
            pages.append(({"with": names[other]}, ours))
        requests = []
        for place, expected in pages:
            forward = client.send("history", after=start, limit=limit, **place)
            backward = client.send("history", before=max(said) + 1, limit=limit, **place)
            requests.append((forward, backward, expected))
        searches = [
            (client.send("search", query=f"{query.typed(names)} {tag}", limit=limit), query)
            for query in asked
        ]
        for forward, backward, expected in requests:
            page = client.answer(forward)
            assert [each["seq"] for each in page["messages"]] == expected[:limit]
            assert page["more"] == (len(expected) > limit)
            page = client.answer(backward)
            now = [each["seq"] for each in page["messages"] if each["seq"] > start]
            assert now == expected[-limit:]
        for number, query in searches:
            found = sorted(
                (s for s, each in said.items() if each.readable(me) and query.matches(each)),
                reverse=True,
            )
            answer = client.answer(number)
            assert [each["seq"] for each in answer["messages"]] == found[:limit], query
            assert answer["more"] == (len(found) > limit)
        client.events.clear()


# -- nothing that can be typed is an error --


def test_no_query_is_an_error(server: ServerProcess) -> None:
    ann = server.account("ann")
    with server.json(ann) as program, server.text(ann) as person:
        odd = ['"', '""', "*", "NOT", "a AND", "(", "from:", "^a", '"a', "a" * 9000, "a " * 9000]
        for query in odd:
            assert program.ask("search", query=query)["messages"] == []
            person.send(f"search {query}")
            assert person.line() == "-- Nothing was found."
        assert "<words> is missing" in person.ask("search")
    assert not re.search(" WARNING .*search", server.log)


# -- crashes and older versions --


def test_after_a_kill_the_index_catches_up(start_server: StartServer) -> None:
    server = start_server()
    ann = server.account("ann")
    with server.json(ann) as sender:
        texts = {sender.send("broadcast", text=f"storm {n}"): f"storm {n}" for n in range(400)}
        acknowledged = {
            sender.answer(number)["seq"]: text
            for number, text in itertools.islice(texts.items(), 200)
        }
        server.kill()
    server = start_server()
    with server.json(ann) as reader:

        def found() -> dict[int, str]:
            messages = reader.ask("search", query=f"storm from:{ann}", limit=500)["messages"]
            return {each["seq"]: each["text"] for each in messages}

        # More may have been stored than was acknowledged in time.
        eventually(lambda: acknowledged.items() <= found().items())


def test_a_database_of_the_version_before_works(start_server: StartServer, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with closing(sqlite3.connect(data / "chat.db")) as database:
        database.executescript(DUMP.read_text("utf-8"))
    server = start_server(history_retention_days=0)
    for name in ("Alice", "Bob", "carol", "Dave"):
        server.add(name)
    with ExitStack() as stack:
        alice, bob, carol, dave = (stack.enter_context(server.json()) for _ in range(4))
        welcome = alice.login("alice")
        assert (welcome["name"], welcome["seq"], welcome["busy"]) == ("Alice", 16, True)
        assert bob.login("bob")["hidden"] is True
        assert carol.login("carol")["missed"] == 4
        assert seqs(carol.messages(4)) == [10, 12, 13, 15]
        assert dave.login("dave")["missed"] == 4
        assert seqs(dave.messages(4)) == [11, 12, 13, 16]
        assert seqs(alice.ask("history")["messages"]) == [2, 6, 10, 12, 13]
        assert seqs(alice.ask("history", **{"with": "bob"})["messages"]) == [3, 4, 15, 16]
        assert 5 in seqs(bob.ask("history", **{"with": "bob"})["messages"])
        assert seqs(dave.ask("history")["messages"]) == [10, 12, 13]
        assert seqs(dave.ask("history", **{"with": "bob"})["messages"]) == [16]
        assert texts(dave.ask("search", query="first")) == []
        assert texts(carol.ask("search", query="lunch*")) == ["lunch again?", "lunch?"]
        assert texts(carol.ask("search", query="noon")) == []
        alice.ask("idle")
        assert seqs(alice.messages(2)) == [13, 16]
        assert alice.tell("bob", "again")["seq"] == 17
        assert bob.expect(event="message", text="again")["seq"] == 17
