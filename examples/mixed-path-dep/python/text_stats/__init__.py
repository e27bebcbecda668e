"""Word statistics: the Python face of a Rust crate."""

from __future__ import annotations

from .stats import mean_word_length, summary, word_counts

__all__ = ["mean_word_length", "summary", "word_counts"]
