"""Ctrl-C while a command is still being imported."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .fake import DEADLINE
from .process import CLEAN_ENVIRON

PRESS = """
import os, signal, sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["PRESSED_AT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
"""


@pytest.mark.skipif("sys.platform == 'win32'", reason="signals are others there")
@pytest.mark.parametrize("command", ["tail", "connect"])
@pytest.mark.parametrize("at", ["click", "chatclient.cli.options", "msgspec"])
def test_ctrl_c_ends_an_import_without_a_word(command: str, at: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(PRESS)
    done = subprocess.run(
        [sys.executable, "-m", "chatserver", command],
        env=CLEAN_ENVIRON | {"PRESSED_AT": at, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
