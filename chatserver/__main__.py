"""`python -m chatserver` is `chat`: the beginning of the program, until it has been imported."""

import signal


def main() -> None:
    """Run `chat`. Ctrl-C ends it without a word while it is imported; the command says how then."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and is not to be ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from chatserver.cli.main import main as chat  # noqa: PLC0415 - late, because it is slow

    chat()


if __name__ == "__main__":
    main()
