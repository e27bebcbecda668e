"""Describes an interpreter for the compiled module.

The command line also runs this file in other interpreters, so it uses only the standard library of
Python 3.9 and later.
"""

import os
import sys

try:
    # Loaded already. `importlib.machinery`, which has the same list, takes a millisecond to load.
    from _frozen_importlib_external import EXTENSION_SUFFIXES
except ImportError:
    from importlib.machinery import EXTENSION_SUFFIXES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def describe() -> "dict[str, Any]":
    """Describes the running interpreter; see ``Interpreter`` in src/request.rs."""
    if hasattr(os, "uname"):
        machine = os.uname().machine
    else:
        machine = os.environ.get("PROCESSOR_ARCHITECTURE", "")
    # The base of a virtual environment; not every implementation has the attribute.
    base = getattr(sys, "_base_executable", None) or sys.executable
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        # Only glibc has that name, and Windows has no such function.
        libc = ""
    return {
        "executable": sys.executable,
        "base_executable": os.path.realpath(base),
        "prefix": sys.prefix,
        "implementation": sys.implementation.name,
        "version": ".".join(str(part) for part in sys.version_info[:3]),
        "extension_suffix": EXTENSION_SUFFIXES[0],
        "platform": f"{sys.platform}-{machine}-{sys.maxsize.bit_length() + 1}",
        "libc": libc,
        "sys_path": [entry for entry in sys.path if entry],
    }
