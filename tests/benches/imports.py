"""What an editable install costs: at the import of its package, and at each interpreter's start.

Imports are timed inside a new process, starts from outside.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from support import environment, measuring
from support.workbench import find_uv

from . import cases, crates, many
from .cases import HOOK, MATURIN, WHEELPRINT, Case
from .sides import Develop, Sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .sides import Ground

ORDINARY = "ordinary wheel"
NONE = "no package"
UV_RUN = "uv run"
WATCHED = "wheelprint watch, uv run"
UNCHANGED = "nothing saved, uv run"
SIZES = (10, 1_000, 10_000)
IMPORTS = 41
EDITS = 11
STARTS = 201
PACKAGES = 10
#: Nothing of what is timed is the first of its kind: the modules of the standard library that a
#: check needs are counted as its cost.
_IMPORT = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
_SMALL_CARGO = """[package]
name = "{name}"
version = "1.0.0"
edition = "2024"

[lib]
name = "_core"
crate-type = ["cdylib"]

[dependencies]
pyo3-ffi = {{ version = "0.28", features = ["extension-module", "abi3-py39"] }}
"""
_SMALL_LIB = """use pyo3_ffi::*;

static mut MODULE: PyModuleDef = PyModuleDef {
    m_base: PyModuleDef_HEAD_INIT,
    m_name: c"_core".as_ptr(),
    m_doc: std::ptr::null(),
    m_size: 0,
    m_methods: std::ptr::null_mut(),
    m_slots: std::ptr::null_mut(),
    m_traverse: None,
    m_clear: None,
    m_free: None,
};

#[allow(non_snake_case)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit__core() -> *mut PyObject {
    unsafe { PyModule_Create(&raw mut MODULE) }
}
"""
_SMALL_PYPROJECT = """[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.9"

[build-system]
requires = ["{requires}"]
build-backend = "{backend}"

[tool.maturin]
module-name = "{name}._core"
python-source = "python"
editable-profile = "dev"
"""


def measure(ground: Ground, wanted: str) -> Iterator[Case]:
    """The cases whose names contain a text."""
    sizes = [size for size in SIZES if wanted in f"import, nothing changed {size:,} inputs"]
    if sizes:
        yield from _imports(ground, sizes)
    if wanted in "edit seen by import":
        yield _edit_seen(ground)
    if wanted in "uv run after a save":
        yield _watched(ground)
    if wanted in "interpreter start":
        yield from _starts(ground)


def _imports(ground: Ground, sizes: list[int]) -> Iterator[Case]:
    crate = many.project()
    editable = Sync(ground, "wheelprint", crate, "dev")
    module = crate.name.replace("-", "_")
    hooked = Develop(ground, crate, "dev")
    command = [find_uv(), "pip", "install", "--python", hooked.python, "maturin-import-hook"]
    measuring.run(command, hooked.root, hooked.env)
    hooked.act()
    site = [hooked.python, "-m", "maturin_import_hook", "site", "install", "--args=--uv"]
    measuring.run(site, hooked.root, hooked.env)
    plain = editable.root / ".venv-plain"
    measuring.run([find_uv(), "venv", plain], editable.root, editable.env)
    pythons = {
        ORDINARY: (environment.python_in(plain), editable.env),
        WHEELPRINT: (editable.python, editable.env),
        HOOK: (hooked.python, hooked.env),
    }
    for size in sizes:
        for side in (editable, hooked):
            many.write(side.root, size)
        editable.act()
        pip = [find_uv(), "pip", "install", "--reinstall-package", crate.name, "--no-deps"]
        measuring.run([*pip, "--python", editable.python, "-e", "."], editable.root, editable.env)
        measuring.run([*pip, "--python", pythons[ORDINARY][0], "."], editable.root, editable.env)
        # What is first remembered, or built; and what is at rest is remembered.
        for python, env in pythons.values():
            _seconds(python, module, env)
        time.sleep(2.5)
        for python, env in pythons.values():
            _seconds(python, module, env)
        seconds = cases.in_turn(
            IMPORTS,
            {
                name: lambda _, python=python, env=env: _seconds(python, module, env)
                for name, (python, env) in pythons.items()
            },
        )
        goals = [_share_of_the_hooks()]
        if size <= 1_000:
            goals.insert(0, cases.more(ORDINARY, 3.0))
        yield Case("import, nothing changed", f"{size:,} inputs", seconds, goals)


def _share_of_the_hooks() -> cases.Goal:
    words = f"({WHEELPRINT} - {ORDINARY}) / ({HOOK} - {ORDINARY})"

    def share(medians: cases.Medians) -> float:
        plain = medians[ORDINARY]
        return (medians[WHEELPRINT] - plain) / (medians[HOOK] - plain)

    return cases.Goal(words, 0.15, share)


def _seconds(python: Path, module: str, env: dict[str, str]) -> float:
    return float(measuring.run([python, "-c", _IMPORT.format(module)], python.parent, env))


def _edit_seen(ground: Ground) -> Case:
    """A program after an edit: run by the environment's interpreter, whose import rebuilds, and by
    `uv run`, which rebuilds before it starts the program."""
    crate = crates.generated("minimal", 2)
    direct, through_uv = (Sync(ground, "wheelprint", crate, "dev", number) for number in (2, 3))
    for side in (direct, through_uv):
        side.act()

    def seen(side: Sync, number: int, *program: str | Path) -> float:
        side.crate.edit(side.root, number)
        began = time.perf_counter()
        shown = measuring.run([*program, "-c", crate.probe], side.root, side.env)
        seconds = time.perf_counter() - began
        if shown.strip() != crate.shows(number):
            sys.exit(f"{program[0]} shows {shown!r} after edit {number}")
        return seconds

    contenders = {
        WHEELPRINT: lambda number: seen(direct, number + 1, direct.python),
        UV_RUN: lambda number: seen(through_uv, number + 1, find_uv(), "run", "python"),
    }
    seconds = cases.in_turn(EDITS, contenders)
    return Case("edit seen by import", "2 files, dev", seconds, [cases.times(UV_RUN, 1.1)])


def _watched(ground: Ground) -> Case:
    """`uv run` after a source was saved: while `wheelprint watch` runs, and was given the time to
    build; without it; and if nothing was saved."""
    crate = crates.generated("minimal", 2)
    watched, plain, unchanged = (
        Sync(ground, "wheelprint", crate, "dev", number) for number in (4, 5, 6)
    )
    for side in (watched, plain, unchanged):
        side.act()
    log = watched.folder / "watch.log"
    program = environment.scripts_folder(watched.folder / "scratch") / "wheelprint"

    def said(count: int) -> None:
        while (text := log.read_text(encoding="utf-8")).count("wheelprint: rebuilt") < count:
            if process.poll() is not None:
                sys.exit(f"wheelprint watch ended: {text}")
            time.sleep(0.02)

    def run(side: Sync, number: int) -> float:
        began = time.perf_counter()
        command = [find_uv(), "run", "python", "-c", crate.probe]
        shown = measuring.run(command, side.root, side.env)
        seconds = time.perf_counter() - began
        if shown.strip() != crate.shows(number):
            sys.exit(f"uv run shows {shown!r} after edit {number}")
        return seconds

    def saved(side: Sync, number: int) -> float:
        side.crate.edit(side.root, number)
        if side is watched:
            said(number)
        return run(side, number)

    contenders = {
        WATCHED: lambda number: saved(watched, number + 1),
        UV_RUN: lambda number: saved(plain, number + 1),
        UNCHANGED: lambda _: run(unchanged, 0),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "watch"], cwd=watched.root, env=watched.env, stdout=output, stderr=output
        )
        try:
            while "watching" not in log.read_text(encoding="utf-8"):
                time.sleep(0.02)
            seconds = cases.in_turn(EDITS, contenders)
        finally:
            process.kill()
            process.wait()
    goals = [cases.times(UNCHANGED, 1.2, WATCHED)]
    return Case("uv run after a save", "2 files, dev", seconds, goals)


def _starts(ground: Ground) -> Iterator[Case]:
    """Environments with no editable package, with one and with ten."""
    folder = ground.folder / "starts"
    env = {**ground.env_of(folder), "CARGO_TARGET_DIR": str(folder / "target")}

    def installed(name: str, backend: str, count: int) -> Path:
        venv = folder / name
        measuring.run([find_uv(), "venv", venv], folder, env)
        python = environment.python_in(venv)
        projects: list[str] = []
        for number in range(count):
            projects += ["-e", str(_small(folder / f"{backend}-{number}", backend, number))]
        if projects:
            command = [find_uv(), "pip", "install", "--python", python, *projects]
            measuring.run(command, folder, env)
        return python

    folder.mkdir()
    print("  building ten small packages with each backend", flush=True)
    pythons = {
        NONE: installed("none", "wheelprint", 0),
        "1": installed("one", "wheelprint", 1),
        str(PACKAGES): installed("ten", "wheelprint", PACKAGES),
        MATURIN: installed("maturin", "maturin", PACKAGES),
    }

    def start(python: Path) -> float:
        began = time.perf_counter()
        subprocess.run([python, "-c", "pass"], env=env, check=True)
        return time.perf_counter() - began

    seconds = cases.in_turn(
        STARTS, {name: lambda _, python=python: start(python) for name, python in pythons.items()}
    )
    for count in (1, PACKAGES):
        taken: dict[str, Any] = {WHEELPRINT: seconds[str(count)], NONE: seconds[NONE]}
        if count == PACKAGES:
            taken[MATURIN] = seconds[MATURIN]
        name = f"{count} editable package{'s' if count > 1 else ''}, none imported"
        yield Case("interpreter start", name, taken, [cases.more(NONE, 0.4, count)])


def _small(folder: Path, backend: str, number: int) -> Path:
    name = f"small{number}"
    if not folder.is_dir():
        (folder / "python" / name).mkdir(parents=True)
        (folder / "src").mkdir()
        (folder / "python" / name / "__init__.py").write_text("")
        (folder / "src" / "lib.rs").write_text(_SMALL_LIB)
        (folder / "Cargo.toml").write_text(_SMALL_CARGO.format(name=name))
        requires = {"maturin": "maturin>=1.9,<2"}.get(backend, backend)
        text = _SMALL_PYPROJECT.format(name=name, backend=backend, requires=requires)
        (folder / "pyproject.toml").write_text(text)
    return folder
