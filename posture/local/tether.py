"""Becomes one of a stack's programs, tied to its supervisor: the kernel kills it when the supervisor dies.

Run by path with `python -I -S` (a start of some 20 ms), in the state's folder: `tether.py PROGRAM`. What to run is read
from `programs.json` beside it, which spares arguments and environment the quoting rules of supervisord's configuration.
"""

import ctypes
import json
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); kept over execve

if __name__ == "__main__":
    with open("programs.json", encoding="utf-8") as stream:  # noqa: PTH123 - pathlib would double the start's time
        program = json.load(stream)[sys.argv[1]]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(program["directory"])
    try:
        os.execvpe(program["command"][0], program["command"], os.environ | program["environment"])  # noqa: S606 - no shell wanted
    except OSError as error:
        sys.exit(f"can't start {program['command'][0]}: {error.strerror}")
