"""What the page makes of events: the same as the server has, whatever came twice or overlapped."""

from typing import Any

import pytest
from e2e.process import ServerProcess
from hypothesis import given, settings
from hypothesis import strategies as st

from .visit import OpenVisit

_NAMES = ("ann", "bob", "carol")
_Event = dict[str, Any]

_FOLD = """
    const { store, take, merge, messageOf, conversation, empty } = chat.store;
    store.me = { name: "ann" };
    const c = conversation("#ops");
    const row = (m) => [m.seq, m.text, m.deleted, Object.fromEntries(m.reactions)];
    return given.map(({ before, page, after }) => {
        empty(c);
        c.unread = c.read = c.counted = 0;
        for (const event of before) take(event);
        merge(c.tail.list, page.map(messageOf));
        for (const event of after) take(event);
        return { rows: c.messages.map(row), unread: c.unread };
    });
"""
"""Folds several logs, each from nothing: a way into the browser takes longer than that."""

_op = st.tuples(
    st.sampled_from(("message", "message", "edited", "deleted", "reacted")),
    st.sampled_from(_NAMES),
    st.integers(0, 30),
    st.sampled_from("👍🎉"),
)
_Op = tuple[str, str, int, str]
_case = st.tuples(
    st.lists(_op, max_size=30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)
)


def _log(ops: list[_Op]) -> list[_Event]:
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


@pytest.mark.parametrize("examples", [6, pytest.param(60, id="soak", marks=pytest.mark.soak)])
def test_events_that_come_twice_and_pages_that_overlap_them(
    server: ServerProcess, visit: OpenVisit, examples: int
) -> None:
    tab = visit(server)

    @settings(max_examples=examples, deadline=None)
    @given(st.lists(_case, min_size=6, max_size=10))
    def check(cases: list[tuple[list[_Op], int, int, int]]) -> None:
        logs = [_log(ops) for ops, *_ in cases]
        places = [(cut, max(cut, page), again) for _, cut, page, again in cases]
        given_ = [_given(log, *each) for log, each in zip(logs, places, strict=True)]
        for log, sent, found in zip(logs, given_, tab.js(_FOLD, given_), strict=True):
            _check(log, sent, found)

    check()


def _given(log: list[_Event], cut: int, page: int, again: int) -> dict[str, list[_Event]]:
    """Some events come, then a page that is newer, then all from before the page on."""
    rows = list(_as_it_reads(log[:page]).values())
    return {"before": log[:cut], "page": rows, "after": log[min(again, cut) :]}


def _check(log: list[_Event], sent: dict[str, list[_Event]], found: dict[str, Any]) -> None:
    assert _sorted(found["rows"]) == _sorted(_rows(_as_it_reads(log)))
    unread = [each["seq"] for each in log if each["event"] == "message" and each["from"] != "ann"]
    shown_before_counted = {each["seq"] for each in sent["page"]}
    shown_before_counted -= {each["seq"] for each in sent["before"]}
    assert found["unread"] == len(set(unread) - shown_before_counted)
