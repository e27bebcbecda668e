"""The range of maturin versions that the tests use.

`test_requires.py` compares the lower bound with the requirement of the backend, so that both stay
the same.
"""

from __future__ import annotations

#: The oldest version that is supported.
LOWEST_MATURIN = "1.9.0"

#: The first major version that is not supported.
FIRST_UNSUPPORTED_MATURIN = "2"
