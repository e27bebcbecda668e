from watched_inputs._native import banner, build_script_variable, crate_variable, words

__all__ = ["banner", "build_script_variable", "crate_variable", "words"]
