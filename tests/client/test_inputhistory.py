"""What was typed, kept in a file by those who want that."""

from pathlib import Path

from prompt_toolkit.history import InMemoryHistory

from chatclient.screen import inputhistory
from chatclient.screen.inputhistory import InputHistory, input_history


def kept(file: Path) -> list[str]:
    return list(InputHistory(file).load_history_strings())


def test_lines_are_there_in_the_next_session_the_newest_first(tmp_path: Path) -> None:
    file = tmp_path / "chat" / "typed"
    first, second = InputHistory(file), InputHistory(file)
    first.append_string("who")
    second.append_string("say one\ntwo é\u2028")
    first.append_string(" say nothing of this")
    first.append_string("x" * 100_000)
    assert kept(file) == ["say one\ntwo é\u2028", "who"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_could_read_is_the_owners_alone_from_now_on(tmp_path: Path) -> None:
    file = tmp_path / "typed"
    file.write_bytes(b'"who"\nnot json\n\xff\n17\n"last"\n')
    file.chmod(0o644)
    assert kept(file) == ["last", "who"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_it_does_not_grow_without_end(tmp_path: Path) -> None:
    file = tmp_path / "typed"
    file.write_text("".join(f'"{number}"\n' for number in range(5000)))
    assert kept(file) == [str(number) for number in range(4999, 3999, -1)]
    assert len(file.read_text().splitlines()) == inputhistory._MOST_LINES
    assert [each.name for each in tmp_path.iterdir()] == ["typed"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_where_it_cannot_be_kept_that_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    assert isinstance(input_history(None, said.append), InMemoryHistory)
    assert said == []
    history = input_history(tmp_path, said.append)  # a folder
    assert isinstance(history, InMemoryHistory)
    assert said == [f"What you type cannot be kept in {tmp_path}: Is a directory."]
