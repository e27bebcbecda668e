try:
    from every_input._native import ffi, lib
except ModuleNotFoundError:
    # A test gives the compiled module another name.
    from every_input._renamed import ffi, lib


def seen() -> dict[str, str]:
    """What the compiled module was made from."""
    lines = ffi.string(lib.seen()).decode().splitlines()
    return dict(line.split("=", 1) for line in lines)
