"""What was said in rooms: found, exported, listed and gone, as people and operators ask for it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import PASSWORD, Event, JsonClient, eventually
from .conftest import StartServer
from .process import ServerProcess, chat, environment


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("server") / "data"
    server = ServerProcess(data, "--data", str(data), env=environment())
    yield server
    server.stop()


def found(client: JsonClient, query: str, **fields: object) -> list[str]:
    return [each["text"] for each in client.ask("search", query=query, **fields)["messages"]]


def in_room(client: JsonClient, room: str, text: str) -> int:
    return int(client.ask("send", room=room, text=text)["seq"])


def test_a_search_knows_rooms(server: ServerProcess) -> None:
    ann, bob, eve = server.accounts("ann", "bob", "eve")
    with server.json(ann) as one, server.json(bob) as two, server.json(eve) as three:
        one.ask("create", room="web")
        one.ask("create", room="ops", access="closed")
        in_room(one, "web", "needle in the open")
        in_room(one, "ops", "needle before bob")
        one.ask("invite", name=bob, room="ops")
        two.ask("join", room="ops")
        in_room(one, "ops", "needle with bob")
        two.tell(ann, "needle in private")
        one.say("needle in the lobby")
        of_bob = ["needle in the lobby", "needle in private", "needle with bob"]
        assert found(two, "needle") == [*of_bob, "needle in the open"]
        assert found(two, "needle", limit=3) == of_bob
        assert found(two, f"needle from:{ann} in:#OPS") == ["needle with bob"]
        assert found(two, "in:#ops") == ["needle with bob"]
        assert found(two, f"needle in:{ann}") == ["needle in private"]
        assert found(two, "needle in:lobby") == ["needle in the lobby"]
        assert found(two, f"needle in:#web in:{ann}") == ["needle in private", "needle in the open"]
        assert found(three, "needle") == ["needle in the lobby", "needle in the open"]
        assert found(three, "needle in:#web") == ["needle in the open"]
        assert found(three, f"needle in:{ann}") == []
        hit = three.ask("search", query="needle in:#web")["messages"][0]["seq"]
        assert three.request("around", target=hit)["messages"][-1]["text"] == "needle in the open"

        def refusal(name: str) -> Event:
            error = three.refused("search", query=f"needle in:#{name}")
            return error | {"text": error["text"].replace(name, "X"), "re": 0}

        assert refusal("ops") == refusal("free") != {}
        assert refusal("ops")["code"] == "no_such_room"
        assert three.refused("search", query="in:nobody")["code"] == "no_such_user"
        one.ask("remove", name=bob, room="ops")
        assert "needle with bob" not in found(two, "needle")
        assert two.refused("search", query="in:#ops")["code"] == "no_such_room"
    with server.text(bob) as typist:
        typist.send("search needle in:#web")
        typist.expect(f"{ann} → #web: needle in the open\n-- That is all.\n")
        assert "no room #ops" in typist.ask("search needle in:#ops")


@pytest.mark.parametrize("killed", [False, True])
def test_words_that_were_taken_back_are_in_no_file_a_minute_later(
    start_server: StartServer, *, killed: bool
) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    folder = server.data
    with server.json(ann) as one, server.json(bob) as two:
        one.ask("create", room="ops")
        two.ask("join", room="ops")
        seqs = [in_room(one, "ops", "unspeakable things"), one.tell(bob, "unutterable")["seq"]]
        in_room(one, "ops", "unforgettable")
        assert found(two, "un*") == ["unforgettable", "unutterable", "unspeakable things"]
        one.ask("edit", target=seqs[0], text="nicer things")
        one.ask("delete", target=seqs[1])
        assert found(two, "un*") == ["unforgettable"]
        assert found(two, "nicer") == ["nicer things"]
    if killed:
        server.kill()
        server = start_server()

    def with_word(word: str) -> list[Path]:
        files = [each for each in folder.iterdir() if each.is_file()]
        return [each for each in files if word.encode() in each.read_bytes()]

    eventually(lambda: not with_word("unspeakable") and not with_word("unutterable"))
    assert with_word("unforgettable")
    with server.json(bob) as two:
        assert found(two, "un*") == ["unforgettable"]
        assert found(two, "nicer") == ["nicer things"]
        said = two.ask("history", room="ops")["messages"]
        assert [each["text"] for each in said] == ["nicer things", "unforgettable"]


def operator(data: Path, *arguments: str | Path, typed: str = "") -> str:
    """Run `chat …` on a data folder, which must go well; return what it printed."""
    done = chat(*arguments, "--data", data, typed=typed)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_an_operator_lists_and_exports_rooms(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    ann, bob = server.accounts("ann", "bob")
    data, copy = server.data, tmp_path / "copy"
    with server.json(ann) as one, server.json(bob) as two:
        one.ask("create", room="Ops", access="closed", speaking="moderators")
        one.ask("invite", name=bob, room="ops")
        two.ask("join", room="ops")
        first = in_room(one, "ops", f"hello {bob}")
        in_room(one, "ops", "gone")
        one.ask("edit", target=first, text=f"hello, {bob}")
        two.ask("react", target=first, reaction="👍")
        one.ask("delete", target=first + 1)
        one.ask("send", room="ops", text="again", reply_to=first)
    rooms = operator(data, "rooms")
    table = [line.split() for line in rooms.splitlines()]
    assert table[0] == ["room", "access", "people", "messages", "owner", "made"]
    assert table[1] == ["#lobby", "open", "2", "0", "-", "-"]
    assert table[2][:6] == ["#Ops", "closed", "announce", "2", "3", ann]
    beside = operator(data, "rooms", "--json")
    assert json.loads(beside.splitlines()[1])["owners"] == [ann]

    said = operator(data, "export", "--room", "#OPS")
    hello, gone, again = map(json.loads, said.splitlines())
    assert (hello["text"], hello["mentions"], "edited" in hello) == (f"hello, {bob}", [bob], True)
    assert (hello["reactions"], hello["room"]) == ({"👍": [bob]}, "Ops")
    assert (gone["text"], gone["deleted"]) == ("", True)
    assert again["reply_to"] == first
    everything = operator(data, "export", "--room", "ops", "--changes")
    events = [json.loads(line) for line in everything.splitlines()]
    assert [each["seq"] for each in events] == sorted(each["seq"] for each in events)
    assert [each.get("change", each["event"]) for each in events] == [
        "made", "invited", "joined", "message", "message", "edited", "reacted", "deleted", "message"
    ]  # fmt: skip
    lines = operator(data, "export", "--changes", "--format", "text").splitlines()
    assert lines[0].endswith(f"{ann} made #Ops.")
    assert any(line.endswith(f"{ann} deleted a message in #Ops.") for line in lines)
    assert "There is no room #free" in chat("export", "--room", "free", "--data", data).stderr

    operator(data, "backup", copy)
    server.stop()
    assert operator(data, "rooms", "--json") == beside
    operator(tmp_path / "new", "restore", copy)
    assert operator(tmp_path / "new", "rooms", "--json") == beside
    assert operator(tmp_path / "new", "export", "--changes", "--room", "ops") == everything


def test_an_operator_names_admins(start_server: StartServer) -> None:
    server = start_server()
    data, bob = server.data, server.add("bob")

    def add_admin(name: str) -> None:
        operator(data, "adduser", name, "--password-stdin", "--admin", typed=PASSWORD)

    def admins() -> list[str]:
        lines = operator(data, "users").splitlines()
        return [line.split()[0] for line in lines if line.endswith("  admin")]

    def may(client: JsonClient) -> bool:
        """Tell whether somebody outside may do what owners may."""
        return client.request("topic", room="ops", topic="work").get("code") != "not_a_member"

    add_admin("ann")
    with server.json(server.account("owner")) as owner:
        owner.ask("create", room="ops")
    with server.json("ann") as one, server.json(bob) as two:
        assert (may(one), may(two)) == (True, False)
        assert operator(data, "role", "BOB", "admin") == "bob is an admin now.\n"
        assert may(two)
    assert admins() == ["bob", "ann"]
    server.stop()
    assert operator(data, "role", "bob", "member") == "bob is a member now.\n"
    add_admin("eve")
    assert admins() == ["ann", "eve"]
    assert "no account nobody" in chat("role", "nobody", "admin", "--data", data).stderr
    server = start_server()
    with server.json("eve") as three, server.json(bob) as two:
        assert (may(three), may(two)) == (True, False)
