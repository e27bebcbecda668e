"""Prints the statistics of the words given, or of the text on stdin."""

from __future__ import annotations

import sys

from .stats import summary


def main() -> int:
    print(summary(" ".join(sys.argv[1:]) or sys.stdin.read()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
