from separate_rust._native import double

__all__ = ["double"]
