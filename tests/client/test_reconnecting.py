"""A lost link and its return, as a person at a terminal sees it."""

from chatwire.events import Bye, Error, Replayed

from .fake import message
from .screen import NO_HURRY, logged_in


def test_a_lost_link_and_its_return() -> None:
    with logged_in(change=NO_HURRY) as (screen, link):
        screen.say("broadcast before")
        before = link.expect("broadcast")  # and no answer
        screen.type("broadcast a dra", "> broadcast a dra")
        link.reset()
        screen.wait_for_status("not connected, trying again in ")
        seconds = screen.status
        screen.wait(lambda: screen.status != seconds)  # it counts down
        screen.wait_for_line("> broadcast a dra")  # the draft is kept
        screen.type("ft", "> broadcast a draft")
        screen.type("\r")
        screen.wait_for_status("2 not sent yet")
        screen.wait_for_line(">")
        assert screen.lines[-3:-1] == ["      alice: before", "      alice: a draft"]
        screen.say("who")
        screen.wait_for("Not connected; try again when the link is back.")

        screen.type("\r")  # at once
        again = screen.door.open()
        screen.type("broadcast another")
        login = again.take_login_again(online=("bob", "carol"), seq=7, missed=2)
        assert login.get("since") is None
        again.send(
            message(6, "where is she?", replay=True),
            message(7, "alice?", replay=True),
            Replayed(count=2, more=0),
        )
        assert again.take_broadcast("before", 8)["key"] == before["key"]
        again.take_broadcast("a draft", 9)
        screen.wait_for("Connected again.")
        screen.wait_for_line("> broadcast another")
        screen.wait_for_status("here: bob, carol")
        shown = screen.lines[screen.lines.index("Connected again.") :]
        assert [line[6:] if ":" in line[:6] else line for line in shown] == [
            "Connected again.",
            "--- 2 messages while you were away ---",
            "bob: where is she?",
            "bob: alice?",
            "--- End of the 2 messages you missed ---",
            "alice: before",
            "alice: a draft",
            "> broadcast another",
        ]
        assert screen.bold() == ""  # the name is not live
        screen.type("\r")
        again.take_broadcast("another", 10)  # and nothing was sent twice
        screen.wait_for_line(">")


def test_a_server_that_shuts_down_is_come_back_to_until_it_says_no() -> None:
    with logged_in(change=NO_HURRY) as (screen, link):
        link.send(Bye(code="shutting_down", text="The server is shutting down."))
        link.close()
        screen.wait_for("The server is shutting down.")
        screen.wait_for_status("not connected, trying again in ")
        screen.say("send bob too late")
        screen.wait_for_status("1 not sent yet")
        screen.type("\r")
        again = screen.door.open()
        again.greet()
        again.answer("login", Error(code="bad_credentials", text="Wrong.", attempts_left=2))
        assert screen.end() == 4
    assert screen.lines[-2:] == ["Not sent: send bob too late", "Wrong. (2 tries left)"]


def test_who_was_away_is_told_what_came_and_what_is_held() -> None:
    with logged_in(change=NO_HURRY) as (screen, link):
        link.reset()
        screen.wait_for_status("not connected")
        screen.type("\r")
        again = screen.door.open()
        again.take_login_again(online=(), seq=9, missed=4, busy=True, hidden=True)
        screen.wait_for("You are still busy, 4 messages held: type idle to see them.")
        screen.wait(lambda: screen.status.endswith("nobody else here │ busy, 4 held │ hidden"))


def test_the_end_of_what_was_held_counts_what_is_shown() -> None:
    """A server cannot know what an earlier connection said; the client does."""
    with logged_in(change=NO_HURRY) as (screen, link):
        screen.say("broadcast mine")
        link.take_broadcast("mine", 3)
        screen.wait_for("alice: mine")
        link.send(
            message(2, "held", replay=True),
            message(3, "mine", replay=True, sender="alice"),
            Replayed(count=2, more=0),
            message(3, "mine", replay=True, sender="alice"),
            Replayed(count=1, more=0),
            message(4, "live"),
        )
        screen.wait_for("bob: live")
        assert screen.text.count("End of the") == 1
        assert "End of the 1 message you missed" in screen.text
        assert screen.text.count("alice: mine") == 1
