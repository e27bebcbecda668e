use pyo3::prelude::*;

#[pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pyfunction]
    fn double(number: u64) -> u64 {
        number * 2
    }
}
