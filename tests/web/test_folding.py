"""What the page makes of events: the same as the server has, whatever came twice or overlapped."""

from typing import Any

from e2e.process import ServerProcess
from hypothesis import given, settings
from hypothesis import strategies as st

from .visit import OpenVisit, Visit

_NAMES = ("ann", "bob", "carol")
_Event = dict[str, Any]

_FOLD = """
    const { store, take, merge, messageOf, conversation, empty } = chat.store;
    store.me = { name: "ann" };
    const c = conversation("#ops");
    empty(c);
    c.unread = c.read = c.counted = 0;
    for (const event of given.before) take(event);
    merge(c.tail.list, given.page.map(messageOf));
    for (const event of given.after) take(event);
    return c.messages.map((m) => [m.seq, m.text, m.deleted, Object.fromEntries(m.reactions)]);
"""

_op = st.tuples(
    st.sampled_from(("message", "message", "edited", "deleted", "reacted")),
    st.sampled_from(_NAMES),
    st.integers(0, 30),
    st.sampled_from("👍🎉"),
)


def _log(ops: list[tuple[str, str, int, str]]) -> list[_Event]:
    """Return events that a server could have sent; `mended` is each message as it reads then."""
    events: list[_Event] = []
    targets: list[int] = []
    for seq, (kind, name, pick, emoji) in enumerate(ops, 1):
        event: _Event = {"event": kind, "seq": seq, "at": "2026-11-22T15:24:02.123Z"}
        event |= {"from": name, "room": "ops"}
        if kind == "message" or not targets:
            event |= {"event": "message", "text": f"text {seq}"}
            targets.append(seq)
        else:
            event["target"] = targets[pick % len(targets)]
            if kind == "edited":
                event["text"] = f"edit {seq}"
            elif kind == "reacted":
                event |= {"reaction": emoji, "on": pick % 3 > 0}
            else:
                targets.remove(event["target"])
        events.append(event)
    return events


def _as_it_reads(events: list[_Event]) -> dict[int, _Event]:
    """Return the messages after these events, as `history` has them."""
    found: dict[int, _Event] = {}
    for event in events:
        if event["event"] == "message":
            found[event["seq"]] = {**event, "reactions": {}}
            continue
        message = found[event["target"]]
        if event["event"] == "edited":
            message["text"] = event["text"]
        elif event["event"] == "deleted":
            message |= {"text": "", "deleted": True, "reactions": {}}
        else:
            names = message["reactions"].setdefault(event["reaction"], [])
            if event["from"] in names:
                names.remove(event["from"])
            if event["on"]:
                names.append(event["from"])
            if not names:
                del message["reactions"][event["reaction"]]
    return found


def _rows(messages: dict[int, _Event]) -> list[list[Any]]:
    return [
        [seq, each["text"], each.get("deleted", False), each["reactions"]]
        for seq, each in sorted(messages.items())
    ]


def _sorted(rows: list[list[Any]]) -> list[list[Any]]:
    """Return rows without the order in which people reacted: one who reacts again is last."""
    return [[*row[:3], {emoji: sorted(names) for emoji, names in row[3].items()}] for row in rows]


def test_events_that_come_twice_and_pages_that_overlap_them(
    server: ServerProcess, visit: OpenVisit
) -> None:
    tab = visit(server)

    @settings(max_examples=40)
    @given(st.lists(_op, max_size=30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
    def check(ops: list[tuple[str, str, int, str]], cut: int, page: int, again: int) -> None:
        _check(tab, _log(ops), cut, max(cut, page), again)

    check()


def _check(tab: Visit, log: list[_Event], cut: int, page: int, again: int) -> None:
    """Some events come, then a page that is newer, then all from before the page on."""
    page_rows = list(_as_it_reads(log[:page]).values())
    given_ = {"before": log[:cut], "page": page_rows, "after": log[min(again, cut) :]}
    assert _sorted(tab.js(_FOLD, given_)) == _sorted(_rows(_as_it_reads(log)))
    unread = sum(each["event"] == "message" and each["from"] != "ann" for each in log)
    shown_before_counted = {each["seq"] for each in page_rows} - {each["seq"] for each in log[:cut]}
    counted = sum(
        each["event"] == "message" and each["from"] != "ann" and each["seq"] in shown_before_counted
        for each in log
    )
    assert tab.js("return conversation('#ops')?.unread ?? 0") == unread - counted
