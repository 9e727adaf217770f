"""Lines out of bytes. The size cap is here, in the core, so that no caller can forget it."""


class LineSplitter:
    """Cut a stream of bytes into lines ended by LF (a CR before it is taken off).

    `feed` returns the complete lines. Once a line is longer than `max_line_bytes` (0: no limit)
    the place where the next one starts is lost: `overlong` turns true, the lines before it are
    still returned, and everything after it is thrown away.
    """

    __slots__ = ("_max", "_rest", "overlong")

    def __init__(self, max_line_bytes: int) -> None:
        self._max = max_line_bytes
        self._rest = bytearray()
        self.overlong = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes and return the lines they complete, without their ends."""
        if self.overlong:
            return []
        if b"\n" not in data:
            self._rest += data
            self._check_rest()
            return []
        if self._rest:
            data = bytes(self._rest) + data
            self._rest.clear()
        lines = data.split(b"\n")
        if rest := lines.pop():
            self._rest += rest
        if b"\r" in data:
            lines = [line.removesuffix(b"\r") for line in lines]
        if self._too_long(len(data)):  # all together; is one of them?
            first = next((at for at, line in enumerate(lines) if self._too_long(len(line))), None)
            if first is None:
                self._check_rest()
            else:
                del lines[first:]
                self._give_up()
        return lines

    def _check_rest(self) -> None:
        """Give up when the beginning of a line is too long; its CR does not count."""
        if self._too_long(len(self._rest) - self._rest.endswith(b"\r")):
            self._give_up()

    def _too_long(self, length: int) -> bool:
        return 0 < self._max < length

    def _give_up(self) -> None:
        self.overlong = True
        self._rest = bytearray()
