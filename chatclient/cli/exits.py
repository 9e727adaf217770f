"""Exit codes, the same for every command of the client, and how a command ends."""

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from chatclient.ended import Ended
from chatclient.errors import ChatError, Refused
from chatclient.setup.credentials import NoPassword, tell
from chatclient.setup.entrance import refusal_line
from chatwire.sections import SettingsError

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NO_LINK: Final = 3
NOT_LET_IN: Final = 4
INTERRUPTED: Final = 130
"""128 + SIGINT, as a shell would have it."""

_NOT_LET_IN: Final = ("bad_credentials", "locked_out")


def finish(work: Callable[[], int], *, interrupted: int = INTERRUPTED) -> NoReturn:
    """Exit with what `work` returns, or with the code and the sentence of what it raises.

    `interrupted` is the code after Ctrl-C.
    """
    if sys.stdout is None:  # started without one
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name or a text that the output's encoding lacks must not be the end.
        sys.stdout.reconfigure(errors="replace")
    try:
        code = work()
    except KeyboardInterrupt:
        if sys.stderr is not None and sys.stderr.isatty():
            tell("")  # the prompt, or ^C, has left the cursor in the middle of a line
        code = interrupted
    except Ended as end:
        code = 128 + end.number
    except EOFError:  # Ctrl-D at a question
        tell("")
        code = USAGE
    except SettingsError as error:
        tell(str(error))
        code = USAGE
    except ChatError as error:
        tell(refusal_line(error) if isinstance(error, Refused) else error.text)
        code = code_of(error)
    except OSError as error:  # of standard output: the link's own are ChatErrors
        code = _output_failed(error)
    with contextlib.suppress(ValueError):  # not in the main thread: a test
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python's own end is not to be interrupted
    sys.exit(code)


def code_of(error: ChatError) -> int:
    """Return the exit code for what went wrong between client and server."""
    if isinstance(error, NoPassword):
        return USAGE
    if error.code in _NOT_LET_IN:
        return NOT_LET_IN
    if isinstance(error, Refused) or error.code == "line_too_long":
        return FAILED
    return NO_LINK


def _output_failed(error: OSError) -> int:
    if isinstance(error, BrokenPipeError) or error.errno == errno.EINVAL:  # EINVAL: so on Windows
        code = DONE  # nobody reads any more, as under `head`: a way to leave
    else:
        tell(f"The output cannot be written ({error.strerror}): make room or choose another place.")
        code = FAILED
    with contextlib.suppress(OSError):  # what is left in the buffer would be an error at the end
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return code
