use pyo3::prelude::*;

/// The compiled half of `text_stats.stats`.
#[pymodule]
mod _native {
    use std::collections::BTreeMap;

    use pyo3::prelude::*;

    /// How often each word occurs in the text.
    #[pyfunction]
    fn word_counts(py: Python<'_>, text: &str) -> BTreeMap<String, usize> {
        py.detach(|| shared_core::word_counts(text))
    }

    /// The mean length of the text's words, or None without any.
    #[pyfunction]
    fn mean_word_length(py: Python<'_>, text: &str) -> Option<f64> {
        py.detach(|| shared_core::mean_word_length(text))
    }
}
