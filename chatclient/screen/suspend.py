"""Stopping and going on: the terminal belongs to the shell in between."""

import os
import signal
import sys

from prompt_toolkit.application import Application


def continued(app: "Application[str]") -> None:
    """Take the terminal again after the process was stopped, and draw below what is there now.

    The shell that had it meanwhile has set it to its own mode and written on it.
    """
    if not app.is_running or app.is_done:
        return
    app.input.raw_mode().__enter__()  # the mode of the prompt, which restores the first one
    app.renderer.reset()  # with what else the shell has switched off, such as marked pastes
    app.output.write_raw("\r")
    app.output.erase_down()
    app.output.flush()
    app.invalidate()


def suspend(app: "Application[str]") -> None:
    """Stop this job, as the terminal does by itself on Ctrl-Z in its normal mode."""
    if sys.platform != "win32":
        app.renderer.erase()
        with app.input.cooked_mode():
            os.kill(0, signal.SIGTSTP)
        app.invalidate()  # where nothing has stopped us: there is no shell to come back to
