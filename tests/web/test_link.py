"""A link that breaks, anywhere: everything comes once and in its order, whichever way it goes."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from e2e.client import rounds
from e2e.conftest import StartServer
from e2e.process import ServerProcess, port_of
from e2e.proxy import CuttingProxy

from .visit import OpenVisit


def _history(server: ServerProcess, of: str, other: str) -> list[str]:
    with server.json(of) as reader:
        found = reader.request("history", **{"with": other, "limit": 500})["messages"]
    return [each["text"] for each in found]


@pytest.mark.parametrize(
    ("step", "cuts"), [(67, 10), pytest.param(11, 60, id="soak", marks=pytest.mark.soak)]
)
def test_a_link_cut_at_every_few_bytes(
    server: ServerProcess, visit: OpenVisit, step: int, cuts: int
) -> None:
    """Both ways go as far into what is sent: 67 bytes do not divide what a message takes."""
    ann, bob = server.accounts("ann", "bob")
    with closing(CuttingProxy(*server.place, step=step)) as proxy, server.json(bob) as other:
        proxy.heal()
        tab = visit(("127.0.0.1", proxy.port), ann)
        tab.open(bob)
        proxy.hurt(first=120)
        for number in range(10):
            tab.say(f"mine {number}")
            other.request("send", to=[ann], text=f"his {number}")
            tab.hurry()
        for _ in rounds(40):
            tab.hurry()
            if proxy.cuts > cuts and not tab.js("return chat.outbox.unsent()"):
                break
        proxy.heal()
        tab.online()
        said = _history(server, ann, bob)
        assert [each for each in said if each.startswith("mine")] == [
            f"mine {n}" for n in range(10)
        ]
        assert len(said) == 20
        tab.until("conversation(given).messages.length === 20", bob)
        assert tab.texts(bob) == said


def test_a_replay_with_more_said_behind_it(server: ServerProcess, visit: OpenVisit) -> None:
    ann, bob = server.accounts("ann", "bob")
    with closing(CuttingProxy(*server.place)) as proxy, server.json(bob) as other:
        proxy.heal()
        tab = visit(("127.0.0.1", proxy.port), ann)
        tab.open(bob)
        numbers = iter(range(1000))
        for _ in range(3):
            proxy.cut()
            for _ in range(30):
                other.request("send", to=[ann], text=f"{next(numbers)}")
            tab.hurry()
            for _ in rounds():
                other.request("send", to=[ann], text=f"{next(numbers)}")
                if tab.js("return chat.store.store.link") == "online":
                    break
        last = next(numbers)
        other.request("send", to=[ann], text=f"{last}")
        tab.until("conversation(given[0]).messages.at(-1).text === given[1]", [bob, str(last)])
        assert tab.texts(bob) == [str(number) for number in range(last + 1)]


def test_what_a_replay_leaves_out_is_said_and_can_be_loaded(
    start_server: StartServer, visit: OpenVisit
) -> None:
    server = start_server(history_replay_limit=10)
    ann, bob = server.add("ann"), server.add("bob")
    tab = visit(server, ann)
    with server.json(bob) as other:
        other.request("send", to=[ann], text="before")
        tab.until("conversation('bob')?.messages.length === 1")
        tab.eventually("return (await chat.db.load()).messages.get('bob')?.length", 1)
        tab.page.close()
        for number in range(30):
            other.request("send", to=[ann], text=f"{number}")
    tab = visit(server, context=tab.context).online()
    tab.until("conversation('bob').gap === 20")
    assert tab.texts("bob") == [str(number) for number in range(20, 30)]
    tab.js("await chat.past.older('bob')")
    assert tab.texts("bob") == ["before", *map(str, range(30))]
    assert tab.js("return conversation('bob').gap") == 0


def test_a_server_that_was_put_back_from_a_backup(
    start_server: StartServer, visit: OpenVisit, tmp_path: Path
) -> None:
    server = start_server()
    server.add("ann"), server.add("bob")
    tab = visit(server, "ann")
    tab.open("bob")
    tab.say("kept")
    tab.eventually("return chat.outbox.unsent()", 0)
    server.stop()
    shutil.copytree(server.data, tmp_path / "backup")
    server = start_server("--port", port_of(server))
    tab.hurry()
    for number in range(5):
        tab.say(f"lost {number}")
    tab.eventually("return chat.outbox.unsent()", 0)
    tab.js(
        "chat.outbox.saveDraft('#lobby', {text: 'a draft', replyTo: conversation('bob').newest})"
    )
    server.kill()
    shutil.rmtree(server.data)
    shutil.copytree(tmp_path / "backup", server.data)
    tab.offline()
    tab.js("await chat.outbox.send('bob', 'unsent')")
    server = start_server("--port", port_of(server))
    tab.hurry()
    tab.eventually("return chat.outbox.unsent()", 0)
    tab.eventually("return conversation('bob').messages.map((m) => m.text)", ["kept", "unsent"])
    draft = tab.js("return conversation('#lobby').draft")
    assert draft == {"text": "a draft", "replyTo": 0, "editing": 0}
    assert _history(server, "bob", "ann") == ["kept", "unsent"]


def test_what_is_held_while_one_is_busy_comes_once_it_is_over(
    server: ServerProcess, visit: OpenVisit
) -> None:
    ann, bob = server.accounts("ann", "bob")
    tab = visit(server, ann)
    tab.open(bob)
    with server.json(bob) as other:
        other.request("send", to=[ann], text="before")
        tab.until("conversation(given).messages.length === 1", bob)
        tab.js("await chat.actions.busy('in a meeting')")
        for text in ("one", "two"):
            other.request("send", to=[ann], text=text)
        tab.say("mine")
        tab.eventually("return chat.outbox.unsent()", 0)
        tab.go(f"/u/{bob}")  # what is held is held for the account, not for a link
        tab.online()
        tab.until("chat.store.store.me.reply === 'in a meeting' && chat.store.store.me.held > 1")
        other.request("send", to=[ann], text="three")
        tab.js("await chat.actions.idle()")
        tab.until("conversation(given).messages.length === 5", bob)
        other.request("send", to=[ann], text="four")
        tab.until("conversation(given).messages.length === 6", bob)
    wanted = ["before", "one", "two", "mine", "three", "four"]
    assert tab.texts(bob) == wanted
    tab.go(f"/u/{bob}")
    tab.online()
    assert tab.texts(bob) == wanted


def test_being_taken_out_of_a_room(server: ServerProcess, visit: OpenVisit) -> None:
    ann, bob = server.accounts("ann", "bob")
    room = f"room-{ann}"
    with server.json(bob) as other:
        other.request("create", room=room, access="closed")
        other.request("invite", room=room, name=ann)
        tab = visit(server, ann)
        tab.js("await chat.actions.join(given)", room)
        tab.open(f"#{room}")
        tab.say("hello")
        other.request("send", room=room, text="secret")
        tab.until("conversation(given).messages.filter((m) => !m.change).length === 2", f"#{room}")
        other.request("remove", room=room, name=ann, reason="by mistake")
        tab.page.wait_for_selector(f"#toasts :text('{bob} took you out of #{room}: by mistake')")
        tab.until("conversation(given)?.joined === false", f"#{room}")
        assert tab.texts(f"#{room}") == []
        tab.eventually("return (await chat.db.load()).messages.size", 0)
        tab.js("chat.main.go('/')")
        tab.until("!conversation(given)", f"#{room}")
