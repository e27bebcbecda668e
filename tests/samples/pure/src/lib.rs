use pyo3::prelude::*;

mod answer;

#[pymodule]
mod pure {
    use pyo3::prelude::*;

    #[pyfunction]
    fn answer() -> u32 {
        crate::answer::ANSWER
    }

    /// Whether the crate was compiled with its optional feature.
    #[pyfunction]
    fn loud() -> bool {
        cfg!(feature = "loud")
    }
}
