"""Who has which colour, and whether it can be read."""

from chatclient.talk.colours import NAMES, Colours

PEOPLE = [f"user{number}" for number in range(len(NAMES))]


def contrasts(colour: str) -> tuple[float, float]:
    """Return the contrast to black and to white, as WCAG 2 has it."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    light = sum(part * c for part, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return (light + 0.05) / 0.05, 1.05 / (light + 0.05)


def test_sentences_and_names_can_be_read_on_black_and_on_white() -> None:
    colours = Colours(on=True)
    for colour in (colours.notice, colours.error):
        assert min(contrasts(colour)) >= 4.5, colour
    for colour in NAMES:
        assert min(contrasts(colour)) >= 3.6, colour


def test_a_terminal_with_256_colours_has_each_of_them() -> None:
    cube = {"00", "5f", "87", "af", "d7", "ff"}
    colours = Colours(on=True)
    for colour in (*NAMES, colours.error):
        assert {colour[1:3], colour[3:5], colour[5:]} <= cube
    assert len(set(NAMES)) == len(NAMES)
    grey = int(colours.notice[1:3], 16)
    assert colours.notice == f"#{grey:02x}{grey:02x}{grey:02x}"
    assert (grey - 8) % 10 == 0


def test_those_who_are_here_differ_while_there_are_enough_colours() -> None:
    colours = Colours(on=True)
    for several in (2, 7, len(NAMES)):
        colours.here(PEOPLE[:several])
        assert len({colours.name(name) for name in PEOPLE[:several]}) == several
    colours.here([*PEOPLE, "one more"])
    assert colours.name("one more") in NAMES


def test_the_first_seven_are_easily_told_apart() -> None:
    colours = Colours(on=True)
    colours.here(PEOPLE[:7])
    assert {colours.name(name) for name in PEOPLE[:7]} == set(NAMES[:7])


def test_a_colour_stays_while_somebody_stays_and_is_there_when_they_come_back() -> None:
    colours = Colours(on=True)
    colours.here(PEOPLE[:4])
    before = [colours.name(name) for name in PEOPLE[:4]]
    for number in range(100):  # many who are not here are read
        colours.name(f"stranger{number}")
    assert [colours.name(name) for name in PEOPLE[:4]] == before
    colours.here(PEOPLE[1:4])
    colours.here(PEOPLE[:4])
    assert [colours.name(name) for name in PEOPLE[:4]] == before


def test_who_is_not_here_makes_room_for_who_comes() -> None:
    colours = Colours(on=True)
    for name in PEOPLE:
        colours.name(f"old-{name}")
    colours.here(PEOPLE)
    assert len({colours.name(name) for name in PEOPLE}) == len(NAMES)
