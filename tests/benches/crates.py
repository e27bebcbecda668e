"""The projects that are measured: a minimal crate, crates of 50 and 500 files, rpds-py."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from support import measuring

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: As `uv init --build-backend maturin` writes them.
TEMPLATE_KEYS = """cache-keys = [{ file = "pyproject.toml" }, { file = "src/**/*.rs" }, \
{ file = "Cargo.toml" }, { file = "Cargo.lock" }]"""

#: With the name, and the folder of the Python package.
PYPROJECT = """[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.9"

[build-system]
requires = ["maturin>=1.9,<2"]
build-backend = "maturin"

[tool.maturin]
module-name = "{module}._core"
python-source = "python"
"""
_CARGO = """[package]
name = "{name}"
version = "1.0.0"
edition = "2024"

[lib]
name = "_core"
crate-type = ["cdylib"]

[dependencies]
pyo3 = {{ version = "0.28.2", features = ["extension-module", "abi3-py39"] }}
"""
_LIB = """use pyo3::prelude::*;

mod text;
{modules}
#[pyfunction]
fn shown() -> &'static str {{
    text::TEXT
}}

#[pyfunction]
fn sum(number: u64) -> u64 {{
    number{calls}
}}

#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {{
    module.add_function(wrap_pyfunction!(shown, module)?)?;
    module.add_function(wrap_pyfunction!(sum, module)?)
}}
"""
#: What a file of a larger crate has in it.
_MODULE = """#[derive(Clone, Copy)]
pub struct Thing {{
    pub name: &'static str,
    pub values: [u64; 4],
}}

pub fn thing(number: u64) -> Thing {{
    match number % 3 {{
        0 => Thing {{ name: "none {number}", values: [number, 0, 1, 2] }},
        1 => Thing {{ name: "one {number}", values: [1, number, {number}, 3] }},
        _ => Thing {{ name: "more {number}", values: [number; 4] }},
    }}
}}

pub fn sum(number: u64) -> u64 {{
    let thing = thing(number);
    let start = thing.name.len() as u64 + {number};
    thing.values.iter().fold(start, |sum, value| sum.rotate_left(3) ^ value)
}}
"""
SHOWN = "src/text.rs"
_RPDS_PROBE = """
import rpds
try:
    rpds.Queue().peek()
except IndexError as error:
    print(error)
"""


@dataclass(frozen=True)
class Crate:
    """A project to measure with."""

    name: str
    #: Puts the project into a folder that is not there yet.
    make: Callable[[Path], None]
    #: Makes the edit of that number.
    edit: Callable[[Path, int], None]
    #: Python that prints what an edit changes, and what it prints after the edit of that number.
    probe: str
    shows: Callable[[int], str]
    #: The Python projects in it: one in its own folder, or the packages of a workspace.
    packages: tuple[str, ...] = (".",)
    #: What uv is told, so that it installs them all.
    sync: tuple[str, ...] = ("sync",)
    keys: str = TEMPLATE_KEYS

    def unpack(self, folder: Path, profile: str) -> Path:
        """The project in a folder, editable in this profile, with cache keys."""
        self.make(folder)
        for pyproject in self.pyprojects(folder):
            text = pyproject.read_text(encoding="utf-8")
            line = f'[tool.maturin]\neditable-profile = "{profile}"\n'
            text = text.replace("[tool.maturin]\n", line, 1)
            if "editable-profile" not in text:
                raise SystemExit(f"{pyproject}: there is no [tool.maturin] in this version")
            pyproject.write_text(f"{text}\n[tool.uv]\n{self.keys}\n", encoding="utf-8")
        self.edit(folder, 0)
        return folder

    def pyprojects(self, folder: Path) -> Iterable[Path]:
        """The file of each Python project."""
        return (folder / package / "pyproject.toml" for package in self.packages)


def generated(name: str, files: int) -> Crate:
    """A crate with so many source files."""
    module = name.replace("-", "_")

    def make(folder: Path) -> None:
        package = folder / "python" / module
        package.mkdir(parents=True)
        (folder / "src").mkdir()
        (package / "__init__.py").write_text("from ._core import shown\n")
        (folder / "pyproject.toml").write_text(PYPROJECT.format(name=name, module=module))
        (folder / "Cargo.toml").write_text(_CARGO.format(name=name))
        numbers = range(max(files - 2, 0))
        for number in numbers:
            (folder / "src" / f"part{number}.rs").write_text(_MODULE.format(number=number))
        modules = "".join(f"mod part{number};\n" for number in numbers)
        calls = "".join(f"\n        + part{number}::sum(number)" for number in numbers)
        (folder / "src" / "lib.rs").write_text(_LIB.format(modules=modules, calls=calls))

    def edit(folder: Path, number: int) -> None:
        (folder / SHOWN).write_text(f'pub const TEXT: &str = "edit {number:06}";\n')

    probe = f"import {module}; print({module}.shown())"
    return Crate(name, make, edit, probe, lambda number: f"edit {number:06}")


def rpds(download: Path) -> Crate:
    """rpds-py from PyPI, which is downloaded into that folder."""
    original = measuring.unpack_rpds(download)
    # Written for an index; no checkout has one.
    (original / "PKG-INFO").unlink()
    source, text, _ = measuring.RPDS_EDIT
    shown = text.strip('"')
    pattern = re.compile(re.escape(text[:-1]) + '[^"]*"')

    def make(folder: Path) -> None:
        # New timestamps, as in a new checkout.
        shutil.copytree(original, folder, copy_function=shutil.copyfile)

    def edit(folder: Path, number: int) -> None:
        path = folder / source
        before = path.read_text(encoding="utf-8")
        after, count = pattern.subn(f'{text[:-1]}, edit {number:06}"', before)
        if count == 0:
            raise SystemExit(f"{path}: this version does not contain {text}")
        path.write_text(after, encoding="utf-8")

    return Crate("rpds-py", make, edit, _RPDS_PROBE, lambda number: f"{shown}, edit {number:06}")
