from build_script_import._native import cffi_at_build

__all__ = ["cffi_at_build"]
