"""Writes down how maturin calls cargo, then becomes cargo. See `src/direct/recorder.rs`."""

import contextlib
import hashlib
import json
import os
import sys

# The program, the folder for notes, and the value of `CARGO` without a recording.
CARGO, FOLDER, VALUE = b"", b"", None
#: The variables that maturin sets. The values of all others stay unknown: they may be secrets.
SET = (b"PYO3_", b"PYTHON_SYS_EXECUTABLE", b"CARGO_ENCODED_RUSTFLAGS", b"MACOSX_", b"LC_CTYPE")


def note(arguments: "list[bytes]", variables: "dict[bytes, bytes]") -> None:
    """Writes one file for one call. An incomplete file counts as a call that is not known."""
    path = os.path.join(FOLDER, b"%d.json" % os.getpid())
    known = {
        name.hex(): (
            hashlib.sha256(value).hexdigest(),
            value.hex() if name.startswith(SET) else None,
        )
        for name, value in variables.items()
    }
    said = {
        "folder": os.getcwdb().hex(),
        "arguments": [argument.hex() for argument in arguments],
        "variables": known,
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(said, file)


def main() -> None:
    arguments = [os.fsencode(argument) for argument in sys.argv[1:]]
    variables = dict(os.environb)
    if VALUE is None:
        variables.pop(b"CARGO", None)
    elif b"CARGO" in variables:
        variables[b"CARGO"] = VALUE
    if arguments[:1] == [b"--wheelprint-probe"]:
        return
    if arguments[:1] != [b"metadata"]:
        with contextlib.suppress(OSError):
            note(arguments, variables)
    os.execve(CARGO, [CARGO, *arguments], variables)


if __name__ == "__main__":
    main()
