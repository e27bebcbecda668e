from workspace_sample._native import horsepower

__all__ = ["horsepower"]
