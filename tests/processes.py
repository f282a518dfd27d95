"""Processes that tests start and interrupt."""

import sys

_CODE = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)

#: Goes before a command: the process listens to SIGINT again, which the shell has switched off
#: where the tests run in the background of one that is not interactive.
INTERRUPTIBLE = [sys.executable, "-c", _CODE]
