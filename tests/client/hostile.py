"""Scripts of a server that wants to steer the screens of those who come."""

import unicodedata

from msgspec import to_builtins

from chatwire.events import Bye, Error, Presence, Replayed
from chatwire.replies import CommandHelp, HelpReply, Parameter

from .fake import COMMANDS, Link, message

STEERS = {
    "ESC": "\x1b[2J\x1b]0;owned\x07",
    "C1": "\x9b31m",
    "DEL and NUL": "a\x7f\0",
    "CR": "a\r-- The server is shutting down.",
    "bidi": "a\u202ecba",
    "no width": "b\u200bob\ufeff",
    "separators": "a\u2028b\x85",
    "tags": "b\U000e0062ob",
}
EVIL = "Hear" + "".join(STEERS.values()) + "\nbob: forged"


PRESENCES = ("online", "offline", "busy", "idle", EVIL)


def steering_in(text: str) -> list[str]:
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return [ascii(c) for c in text if unicodedata.category(c) in kinds and c not in "\n\t"]


def refuses(link: Link) -> None:
    link.greet(EVIL)
    link.answer("login", Error(code="server_is_evil", text=EVIL))
    link.until_closed()


def says_bye(link: Link) -> None:
    link.greet(EVIL)
    link.expect("login")
    link.send(Bye(code="kicked", text=EVIL))


def goes_away(link: Link) -> None:
    link.greet(EVIL)
    link.take_login(EVIL, online=(EVIL,), missed=1)
    link.send(Replayed(count=1, more=1), Bye(code="shutting_down", text=EVIL))


def never_greets(link: Link) -> None:
    link.expect("ping")
    link.send(Bye(code="kicked", text=EVIL))


_DELIVERED = {"seq": 2, "delivered": [EVIL], "stored": [EVIL], "busy": {EVIL: EVIL}}
ANSWERS: dict[str, dict[str, object]] = {
    "login": {"name": "alice", "online": [EVIL], "seq": 0}
    | {"missed": 0, "busy": False, "hidden": False},
    "history": {"more": False, "messages": [to_builtins(message(1, EVIL, EVIL))]},
    "broadcast": _DELIVERED | {"unknown": [EVIL]},
    "send": _DELIVERED | {"unknown": [EVIL]},
    "who": {"users": [{"name": EVIL, "busy": True, "idle_seconds": 1}]},
    "last": {"users": [{"name": EVIL, "online": False, "seconds_ago": 1}]},
    "status": {"name": EVIL, "busy": True, "hidden": False, "reply": EVIL, "held": 1},
}


def chats(link: Link) -> None:
    """Let it in with an evil list of names and commands, say evil things, and end with one."""
    link.greet(EVIL)
    text = Parameter(name="text", label=EVIL, kind="words", required=True)
    evil = CommandHelp(name=EVIL, aliases=(EVIL,), group=EVIL, summary=EVIL, parameters=(text,))
    op = "login"
    while op not in ("history", "broadcast", "send"):
        request = link.read()
        op = request["op"]
        if op == "help":
            link.send(
                HelpReply(re=request["id"], commands=(*COMMANDS, evil)),
                message(1, EVIL, EVIL, replay=True),
                message(2, EVIL, EVIL, to=(EVIL, "alice")),
                *(Presence(name=EVIL, state=state) for state in PRESENCES),
                {"event": "from the future", "text": EVIL},
            )
        elif op in ANSWERS:
            link.send({"event": "reply", "op": op, "re": request["id"]} | ANSWERS[op])
        elif op != "ack":
            link.send(Error(re=request["id"], code=EVIL, text=EVIL))
    link.send(Bye(code="kicked", text=EVIL))
    link.until_closed()
