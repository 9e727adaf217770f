"""The `/`-line reads what is typed exactly as the terminal does."""

import random

from e2e.process import ServerProcess
from msgspec import to_builtins

from chatclient.talk.commandline import CommandLine
from chatwire.protocol import decode_event, encode
from chatwire.replies import CommandHelp, HelpReply
from chatwire.usage import UsageError, near, parse_arguments, usage_lines

from .visit import OpenVisit, Visit

_WORDS = [
    *("bob", "#ops", "(bob carol)", "(bob,carol", "()", "^12", "^x", "12", "0", "1.5", "closed"),
    *("nopast", "announce", "opne", "-", "hello there", "#", "", "99999999999999999999", "owner"),
]

_COMMANDS = """
const base = document.querySelector("script[type=module]").src;
const found = await import(base.replace("main.js", "commands.js"));
const { parse, load, usageLines, near, complete } = found;
await load();
"""


def _parse(command: CommandHelp, rest: str) -> object:
    try:
        return parse_arguments(command, rest)
    except UsageError as error:
        return str(error)


def _typed() -> list[str]:
    chance = random.Random(13)
    lines = [" ".join(chance.choices(_WORDS, k=chance.randrange(4))) for _ in range(60)]
    return [*_WORDS, *lines]


def test_lines_are_read_as_the_terminal_reads_them(visit: OpenVisit, server: ServerProcess) -> None:
    with server.json() as client:
        reply = decode_event(encode(client.request("help")))
    assert isinstance(reply, HelpReply)
    tab = visit(server, server.account("ann"))
    _arguments(tab, reply)
    _usage(tab, reply)
    _slips(tab, reply)


def _arguments(tab: Visit, reply: HelpReply) -> None:
    cases = [(each, rest) for each in reply.commands for rest in _typed()]
    found = tab.js(
        _COMMANDS + "return given.map((line) => { try { return parse(line).fields; }"
        " catch (error) { return error.text ?? String(error); } });",
        [f"/{command.name} {rest}" for command, rest in cases],
    )
    for (command, rest), mine in zip(cases, found, strict=True):
        assert (command.name, rest, mine) == (command.name, rest, _parse(command, rest))


def _usage(tab: Visit, reply: HelpReply) -> None:
    commands = [
        {"name": each.name, "parameters": [to_builtins(p) for p in each.parameters]}
        for each in reply.commands
    ]
    found = tab.js(_COMMANDS + "return given.map(usageLines)", commands)
    assert found == [usage_lines(each.name, each.parameters) for each in reply.commands]
    words = ("say hi", "away", "back", "names", "MSG bob hi")
    asked = [CommandLine(reply.commands).parse(f"/{word}") for word in words]
    wanted = [{"op": each.op, "fields": each.fields} for each in asked if each is not None]
    assert tab.js(_COMMANDS + "return given.map((w) => parse(`/${w}`))", words) == wanted


def _slips(tab: Visit, reply: HelpReply) -> None:
    names = [each.name for each in reply.commands]
    chance = random.Random(7)
    typed = ["hello", "halp", "serach", "jion", "wo", "sned", "rooom", "broadcats", "ehlp"]
    for name in names:
        at = chance.randrange(len(name))
        typed += [name[:at] + name[at + 1 :], name[:at] + "x" + name[at:]]
    found = tab.js(
        _COMMANDS + "return given[0].map((w) => near(w, given[1]) ?? null)", [typed, names]
    )
    assert found == [near(word, names) for word in typed]


def test_a_command_is_done_and_its_answer_shown(visit: OpenVisit, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    room = ann.replace("ann", "room")
    tab = visit(server, ann)
    tab.open("#lobby")
    tab.say(f"/create #{room} closed")
    tab.until("chat.store.store.open === given", f"#{room}")
    assert tab.page.url.endswith(f"/r/{room}")
    tab.say(f"/invite {bob} #{room}")
    tab.until("document.querySelector('#composer').textContent.includes('Invited.')")
    with server.json(bob) as other:
        other.ask("join", room=room)
        tab.say(f"/send {bob} for you alone")
        assert other.messages(1)[0]["text"] == "for you alone"
        tab.until("chat.store.store.open === given", bob)
        tab.say(f"/topic #{room} what it is about")
        tab.until("conversation(given).topic === 'what it is about'", f"#{room}")
    tab.say("/busy in a meeting")
    tab.until("chat.store.store.me.busy")
    tab.say("/idle")
    tab.until("!chat.store.store.me.busy")


_REFUSED = {
    "/serach x": "There is no command 'serach': did you mean /search? Begin with //",
    "/mute bob": "<room> is missing. Usage: mute <user> #<room> <minutes>",
    "/join #nowhere-at-all": "There is no room #nowhere-at-all.",
}


def test_what_is_refused_stays_in_the_box(visit: OpenVisit, server: ServerProcess) -> None:
    tab = visit(server, server.account("ann"))
    tab.open("#lobby")
    for line, error in _REFUSED.items():
        tab.write(line)
        tab.page.locator("#composer textarea").press("Enter")
        tab.page.locator("#composer").filter(has_text=error).wait_for()
        assert tab.box == line


def test_tab_completes_commands_names_and_rooms(visit: OpenVisit, server: ServerProcess) -> None:
    ann, bob = server.accounts("ann", "bob")
    with server.json(bob) as other:
        other.ask("create", room=f"of-{bob}")
        tab = visit(server, ann)
        cases = {
            "/unr": ["/unread "],
            f"/invite {bob[:-1]}": None,
            f"/join #of-{bob}": [f"/join #of-{bob} "],
            "/create #new clo": ["/create #new closed "],
            "/role x mod": ["/role x moderator "],
            "/nothing x": [],
        }
        for line, wanted in cases.items():
            found = tab.js(_COMMANDS + "return await complete(given)", line)
            if wanted is None:
                assert f"/invite {bob} " in found
            else:
                assert found == wanted
