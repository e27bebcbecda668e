"""``wheelprint`` and ``python -m wheelprint``: calls the command line of the compiled module."""

from __future__ import annotations

import os
import signal
import sys

from . import _native
from ._interpreter import describe


def main() -> int:
    """Runs the command in ``sys.argv`` and returns the exit code."""
    # Python's own handler would act on Ctrl-C only after the compiled module has returned.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        folder = os.getcwd()
    except OSError as error:
        sys.stderr.write(f"error: the working directory: {error.strerror}\n")
        return 2
    return _native.cli(sys.argv[1:], folder, describe())


if __name__ == "__main__":
    sys.exit(main())
