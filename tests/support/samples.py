"""The sample projects: those in `examples/`, which are also for users, and those of the tests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = _REPOSITORY / "examples"
SAMPLES = _REPOSITORY / "tests" / "samples"


@dataclass(frozen=True)
class Sample:
    """A project, with the data that a test needs to edit it and to see the edit."""

    name: str
    #: The Rust file to edit, relative to the project's root; the old and the new text.
    source: str
    edit: tuple[str, str]
    #: Python code that shows the effect of `edit`, and its output before and after the edit.
    probe: str
    shows: tuple[str, str]
    #: The folder of the cargo package, relative to the project's root.
    manifest_folder: str = "."
    #: The cargo package that `edit` changes, and all packages that are recompiled after it.
    recompiled: frozenset[str] = field(default_factory=frozenset)
    #: The folder that contains the sample.
    folder: Path = SAMPLES
    #: The Python project, relative to the sample's folder.
    project: str = "."
    #: Folders next to the project that it needs.
    siblings: tuple[str, ...] = ()
    #: The folder that contains cargo's target folder, relative to the project's root.
    target_parent: str = "."
    #: Whether cffi is imported at build time or at run time.
    needs_cffi: bool = False
    #: Whether the crate uses pyo3, so that the first compilation takes long.
    uses_pyo3: bool = True


def _sample(name: str, package: str | None = None, **rest: Any) -> Sample:
    recompiled = rest.pop("recompiled", frozenset({package or name}))
    return Sample(name=name, recompiled=recompiled, **rest)


_ALL = (
    _sample(
        "hello-pure",
        package="hello_pure",
        folder=EXAMPLES,
        source="src/lib.rs",
        edit=("Hello from hello-pure!", "Edited hello-pure!"),
        probe="import hello_pure; print(hello_pure.hello())",
        shows=("Hello from hello-pure!", "Edited hello-pure!"),
    ),
    _sample(
        "mixed-path-dep",
        folder=EXAMPLES,
        siblings=("shared-core",),
        source="../shared-core/src/lib.rs",
        edit=("letters as f64 / words as f64", "letters as f64"),
        probe="import text_stats; print(text_stats.mean_word_length('ab abcd'))",
        shows=("3.0", "6.0"),
        recompiled=frozenset({"mixed-path-dep", "shared-core"}),
    ),
    _sample(
        "pure",
        source="src/answer.rs",
        edit=("42", "43"),
        probe="import pure; print(pure.answer())",
        shows=("42", "43"),
    ),
    _sample(
        "separate-rust",
        source="rust/src/lib.rs",
        edit=("number * 2", "number * 3"),
        probe="import separate_rust; print(separate_rust.double(5))",
        shows=("10", "15"),
        manifest_folder="rust",
        target_parent="rust",
    ),
    _sample(
        "workspace",
        project="bindings/python",
        source="../../crates/engine/src/lib.rs",
        edit=("90", "120"),
        probe="import workspace_sample; print(workspace_sample.horsepower())",
        shows=("90", "120"),
        target_parent="../..",
        recompiled=frozenset({"engine", "workspace-sample"}),
    ),
    _sample(
        "watched-inputs",
        source="src/lib.rs",
        edit=("trim_ascii_end()", "trim_ascii_end().split_at(4).0"),
        probe="import watched_inputs; print(watched_inputs.banner())",
        shows=("hello", "hell"),
    ),
    _sample(
        "build-script-import",
        needs_cffi=True,
        source="src/lib.rs",
        edit=('env!("CFFI_AT_BUILD")', 'concat!("edited ", env!("CFFI_AT_BUILD"))'),
        probe="import build_script_import as b; print('edited' in b.cffi_at_build())",
        shows=("False", "True"),
    ),
    _sample(
        "cffi-bindings",
        needs_cffi=True,
        source="src/lib.rs",
        edit=("left.wrapping_add(right)", "left.wrapping_mul(right)"),
        probe="import cffi_sample; print(cffi_sample.add(3, 5))",
        shows=("8", "15"),
        uses_pyo3=False,
    ),
    _sample(
        "bin-bindings",
        source="src/main.rs",
        edit=('"quiet"', '"hushed"'),
        probe=(
            "import subprocess, sys, pathlib;"
            "program = pathlib.Path(sys.executable).with_name('bin-bindings');"
            "print(subprocess.check_output([str(program)], text=True).split()[0])"
        ),
        shows=("quiet", "hushed"),
        uses_pyo3=False,
    ),
)

BY_NAME = {sample.name: sample for sample in _ALL}

#: A sample with nearly every kind of input, for tests of single inputs. It is too large to run all
#: tests on it.
EVERY_INPUT = _sample(
    "every-input",
    project="bindings/python",
    source="src/lib.rs",
    edit=("edited 1", "edited 2"),
    probe="import every_input; print(every_input.seen()['edited'])",
    shows=("edited 1", "edited 2"),
    target_parent="../..",
    uses_pyo3=False,
)


def each(*always: str) -> list[Any]:
    """All samples as parameters: the named ones for `nox -s tests`, the others for
    `nox -s freshness`."""
    marks = pytest.mark.freshness
    return [name if name in always else pytest.param(name, marks=marks) for name in BY_NAME]


def find(name: str) -> Sample:
    """The sample of that name."""
    return EVERY_INPUT if name == EVERY_INPUT.name else BY_NAME[name]


def registry_packages() -> frozenset[str]:
    """The packages from crates.io that any sample uses. The tests keep them compiled."""
    entry = re.compile(r'name = "([^"]+)"\nversion = "[^"]+"\nsource = "registry')
    locks = [*EXAMPLES.glob("**/Cargo.lock"), *SAMPLES.glob("**/Cargo.lock")]
    return frozenset(name for lock in locks for name in entry.findall(lock.read_text()))
