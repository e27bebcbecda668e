"""What the compiled module counts, and one function on top of it in Python."""

from __future__ import annotations

from ._native import mean_word_length, word_counts

__all__ = ["mean_word_length", "summary", "word_counts"]


def summary(text: str) -> str:
    """One line: the most frequent word and the mean length."""
    counts = word_counts(text)
    mean = mean_word_length(text)
    if mean is None:
        return "no words"
    word, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    return f"{word} x{count}, mean length {mean:.2f}"
