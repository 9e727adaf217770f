"""Tab: the first word that fits is put in, each further Tab puts the next in its place."""

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document


class TabCycle:
    """What Tab has offered at a line, until something else is typed there."""

    def __init__(self, completer: Completer) -> None:
        self._completer = completer
        self._offers: list[Completion] = []
        self._at = 0
        self._begun = Document()
        self._shown: Document | None = None

    def turn(self, buffer: Buffer, step: int = 1) -> None:
        """Put the next offer into the line, or with -1 the one before."""
        if buffer.document != self._shown or len(self._offers) < 2:
            self._begun = buffer.document
            event = CompleteEvent(completion_requested=True)
            self._offers = list(self._completer.get_completions(self._begun, event))
            self._at = -1 if step > 0 else 0
        if not self._offers:
            return
        self._at = (self._at + step) % len(self._offers)
        offer = self._offers[self._at]
        before = self._begun.text_before_cursor
        before = before[: len(before) + offer.start_position] + offer.text
        text = before + self._begun.text_after_cursor.removeprefix(" ")
        buffer.document = Document(text, len(before))
        self._shown = buffer.document

    def offers(self, buffer: Buffer, columns: int) -> list[tuple[str, bool]]:
        """Return what is offered at the line, each with whether it is in it; one is no choice.

        Where `columns` are too few for all, the first ones make room for the one in the line.
        """
        if buffer.document != self._shown or len(self._offers) < 2:
            return []
        offers = [(each.display_text, at == self._at) for at, each in enumerate(self._offers)]
        until = self._at + 1
        while until > 1 and sum(len(text) + 1 for text, _ in offers[:until]) > columns:
            del offers[0]
            until -= 1
        return offers
