"""``wheelprint`` and ``python -m wheelprint``: the command line, which the compiled module has."""

from __future__ import annotations

import os
import signal
import sys

from . import _native
from ._interpreter import describe


def main() -> int:
    """Runs the command that ``sys.argv`` names; gives the exit code."""
    # While the compiled module runs, Python would only take note of an interrupt.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        folder = os.getcwd()
    except OSError as error:
        sys.stderr.write(f"error: the working directory: {error.strerror}\n")
        return 2
    return _native.cli(sys.argv[1:], folder, describe())


if __name__ == "__main__":
    sys.exit(main())
