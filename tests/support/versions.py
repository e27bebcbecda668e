"""The maturin versions that wheelprint works with, as the tests know them.

`test_requires.py` compares the lower bound with what the backend itself asks for, so this file and
the backend can't drift apart.
"""

from __future__ import annotations

#: The oldest version that is supported.
LOWEST_MATURIN = "1.9.0"

#: The first major version that is not.
FIRST_UNSUPPORTED_MATURIN = "2"
