"""Everything a contributor runs: `pip install nox && nox -s tests`.

A machine needs Rust, Python and pip; each session installs the rest into an environment of its own.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_external_run = True
nox.options.sessions = ["lint", "tests"]

#: No cffi knows the free-threaded Python 3.13; twine needs one on Linux.
HAS_CFFI = not sysconfig.get_config_var("Py_GIL_DISABLED") or sys.version_info >= (3, 14)

#: See Cargo.toml: quick to compile, which is what counts here.
TEST_PROFILE = "testing"
TEST_REQUIREMENTS = (
    *("build", "installer", "jsonschema", "maturin", "packaging", "pytest", "pytest-xdist", "uv"),
    # What checks every wheel that the tests make.
    *("abi3audit", "check-wheel-contents"),
    *(("twine",) if HAS_CFFI else ()),
)
#: Each worker compiles pyo3 once, and the rest takes half as long.
AT_A_TIME = ("-n", "2")
PYTHON_FILES = ("noxfile.py", "python", "tests", "examples")


@nox.session
def tests(session: nox.Session) -> None:
    """The crate's own tests, then the backend through real frontends, two at a time; every wheel
    and sdist that they make is checked at the end. Arguments go to pytest in place of `-n 2`."""
    session.install(*TEST_REQUIREMENTS)
    session.run(
        *("cargo", "test", "--locked", "--profile", TEST_PROFILE),
        env=_cargo_test_environment(session),
        external=True,
    )
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", "not freshness and not faults", *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def smoke(session: nox.Session) -> None:
    """One test of each promise, in a few minutes: for every other system and Python."""
    session.install(*TEST_REQUIREMENTS)
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", "smoke", *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def freshness(session: nox.Session) -> None:
    """Every kind of change and of no change, races, cargo's clock: what takes long."""
    session.install(*TEST_REQUIREMENTS)
    session.run(
        *("cargo", "test", "--locked", "--profile", TEST_PROFILE, "--test", "random_edits"),
        *("--", "--ignored", "--nocapture"),
        env={**_cargo_test_environment(session), "WHEELPRINT_TEST_PYTHON": _python(session)},
        external=True,
    )
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", "freshness", *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def faults(session: nox.Session) -> None:
    """Killed processes, full disks, clocks that jump, load, damage and hostile input: nothing is
    lost and nothing stale is run."""
    session.install(*TEST_REQUIREMENTS)
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", "faults", *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def fuzz(session: nox.Session) -> None:
    """Any bytes for the readers of dep-info, records, manifests and archives; needs a nightly
    toolchain and cargo-fuzz. An argument sets the seconds for each."""
    if shutil.which("cargo-fuzz") is None:
        session.error("needs: cargo install cargo-fuzz && rustup toolchain install nightly")
    seconds = session.posargs[0] if session.posargs else "60"
    for target in ("dep_info", "record", "manifest", "sdist", "wheel"):
        # What is found is added to the first folder; the second one is ours to begin with.
        corpus = Path("fuzz", "corpus", target)
        corpus.mkdir(parents=True, exist_ok=True)
        session.run(
            *("cargo", "+nightly", "fuzz", "run", target, str(corpus), f"fuzz/seeds/{target}"),
            *("--", f"-max_total_time={seconds}"),
            env=_cargo_test_environment(session),
            external=True,
        )


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and lints; warnings are errors."""
    session.install("ruff")
    session.run("cargo", "fmt", "--check", external=True)
    samples = [str(path) for folder in ("examples", "tests") for path in Path(folder).rglob("*.rs")]
    session.run("rustfmt", "--check", "--edition", "2024", *samples, external=True)
    session.run(
        *("cargo", "clippy", "--locked", "--all-targets", "--", "-D", "warnings"),
        env={"PYO3_PYTHON": _python(session)},
        external=True,
    )
    session.run("ruff", "check", *PYTHON_FILES)
    session.run("ruff", "format", "--check", *PYTHON_FILES)


@nox.session
def demo(session: nox.Session) -> None:
    """The same steps with maturin and with wheelprint: what was compiled, and the seconds."""
    session.install("installer", "maturin", "packaging", "pytest", "uv")
    dist = _build_wheel(session, "--release")
    session.run("python", "tests/demo.py", env={"WHEELPRINT_DIST": str(dist)})


@nox.session
def bench(session: nox.Session) -> None:
    """What wheelprint costs and saves beside others: one table, a chart and the raw data. An
    argument picks the cases whose names contain it; `--publish` puts chart and data into docs/."""
    session.install("maturin", "packaging", "pytest", "uv")
    dist = _build_wheel(session, "--release")
    environment = {"WHEELPRINT_DIST": str(dist), **_cargo_test_environment(session)}
    out = session.create_tmp()
    session.run("python", "tests/bench.py", "--out", out, *session.posargs, env=environment)


def _build_wheel(session: nox.Session, *profile: str) -> Path:
    """Build our own wheel, once, into a folder that holds nothing else."""
    dist = session.cache_dir / session.name / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("maturin", "build", "--locked", *profile, "--out", str(dist))
    return dist.resolve()


def _python(session: nox.Session) -> str:
    return shutil.which("python", path=session.bin) or sys.executable


def _cargo_test_environment(session: nox.Session) -> dict[str, str]:
    """Outside of an interpreter the crate's tests link libpython, which may lie anywhere."""
    variable = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
    folders = [os.environ.get(variable, ""), sysconfig.get_config_var("LIBDIR") or ""]
    return {"PYO3_PYTHON": _python(session), variable: os.pathsep.join(filter(None, folders))}
