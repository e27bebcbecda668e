from cffi_sample._native import lib


def add(left: int, right: int) -> int:
    return lib.add(left, right)
