"""Builds that call cargo alone: their wheels are those of maturin, and maturin is called wherever
it could make something else."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, environment, samples
from support.background import Build, wait_for
from support.direct_cargo import IS_OFF, assert_both_ways_alike, build, is_direct

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import HookRun, Project

pytestmark = pytest.mark.skipif(IS_OFF, reason="maturin is always called here")

THROUGH = "built through maturin: "
#: Samples in which the build makes more than a module, or something else.
MORE = {"cffi-bindings", "bin-bindings"}


@pytest.mark.parametrize("name", samples.each("hello-pure", "mixed-path-dep", "watched-inputs"))
def test_both_ways_make_the_same_wheel(name: str, check_out: CheckOut) -> None:
    project = check_out(name)
    assert_both_ways_alike(project, project.edit, direct=name not in MORE)


@pytest.fixture
def learned(check_out: CheckOut) -> Project:
    """A project whose next build can call cargo alone."""
    project = check_out("pure")
    build(project)
    return project


def edited(project: Project) -> HookRun:
    project.edit()
    run, wheel = build(project)
    assert asking.probe(project, wheel) == project.sample.shows[1]
    return run


def test_a_chain_of_edits(learned: Project) -> None:
    for number in range(43, 46):
        learned.write("src/answer.rs", f"pub const ANSWER: u32 = {number};\n")
        run, wheel = build(learned)
        assert is_direct(run)
        assert asking.probe(learned, wheel) == str(number)
    learned.write("src/more.rs", "pub const MORE: u32 = 7;\n")
    learned.replace("src/lib.rs", "mod answer;", "mod answer;\nmod more;")
    learned.replace("src/lib.rs", "answer::ANSWER", "answer::ANSWER + crate::more::MORE")
    run, wheel = build(learned)
    assert is_direct(run)
    assert asking.probe(learned, wheel) == "52"
    assert learned.is_fresh()


def test_the_compilers_errors_are_shown(learned: Project) -> None:
    good = learned.read("src/answer.rs")
    learned.write("src/answer.rs", "nonsense\n")
    run = learned.hook("build_editable", learned.output_folder()).failed()
    assert "maturin `" not in run.output
    assert "error: expected one of" in run.output
    learned.write("src/answer.rs", good)
    assert learned.is_fresh()


def _settings(project: Project) -> None:
    project.append("pyproject.toml", '\n[tool.maturin]\nprofile = "dev"\n')


def _readme(project: Project) -> None:
    project.replace("pyproject.toml", "dynamic =", 'description = "new"\ndynamic =')


def _manifest(project: Project) -> None:
    project.append("Cargo.toml", "\n[profile.release]\nopt-level = 1\n")


def _config(project: Project) -> None:
    project.write(".cargo/config.toml", '[build]\nrustflags = ["--cfg", "other"]\n')


def _damaged(name: str) -> Callable[[Project], None]:
    def damage(project: Project) -> None:
        (path,) = (it for it in project.cache.glob(f"projects/*/trees/*/{name}"))
        path.write_bytes(path.read_bytes()[:-10])

    return damage


def _other_wheel(project: Project) -> None:
    """As a process leaves it that is killed between the two files."""
    (path,) = project.cache.glob("projects/*/trees/*/direct-*.whl")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.txt", "")


#: Changes, beside an edit of the source, with which maturin could do something else.
CHANGES: dict[str, tuple[Callable[[Project], None], str]] = {
    "a setting": (_settings, "more than Rust sources changed"),
    "the metadata": (_readme, "more than Rust sources changed"),
    "a manifest": (_manifest, "more than Rust sources changed"),
    "cargo's configuration": (_config, "more than Rust sources changed"),
    "a damaged note": (_damaged("direct-*.json"), "no call of cargo is kept (damaged"),
    "a damaged wheel": (_damaged("direct-*.whl"), "the wheel that is kept is of another build"),
    "another build's wheel": (_other_wheel, "the wheel that is kept is of another build"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_maturin_is_called_after_a_change_of(change: str, learned: Project) -> None:
    make, cause = CHANGES[change]
    make(learned)
    run = edited(learned)
    assert not is_direct(run)
    assert THROUGH + cause in run.output


VARIABLES = {
    "CARGO_TARGET_DIR": "elsewhere",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "1",
    "RUSTFLAGS": "--cfg other",
    "MATURIN_PEP517_ARGS": "--profile dev",
}


@pytest.mark.freshness
@pytest.mark.parametrize("name", VARIABLES)
def test_maturin_is_called_with_another(name: str, learned: Project) -> None:
    value = VARIABLES[name]
    if name == "CARGO_TARGET_DIR":
        value = str(learned.output_folder() / value)
        # Without compiling pyo3 again.
        shutil.copytree(learned.target, value)
    learned.edit()
    run, wheel = build(learned, **{name: value})
    assert not is_direct(run)
    assert asking.probe(learned, wheel) == learned.sample.shows[1]


def test_another_variable_for_cargo(learned: Project) -> None:
    """maturin would have seen it."""
    learned.edit()
    run, _ = build(learned, PYO3_ENVIRONMENT_SIGNATURE="other")
    assert not is_direct(run)


def test_it_can_be_switched_off(learned: Project) -> None:
    learned.edit()
    run, _ = build(learned, WHEELPRINT_DIRECT_CARGO="false")
    assert not is_direct(run)
    learned.undo_edit()
    learned.settings("direct-cargo = false")
    learned.replace("src/answer.rs", "42", "44")
    run, _ = build(learned)
    assert not is_direct(run)


def test_a_module_without_an_entry_point(learned: Project) -> None:
    """maturin warns of it."""
    learned.replace("src/lib.rs", "mod pure", "mod other")
    run, _ = build(learned)
    assert not is_direct(run)
    assert "PyInit_pure" in run.output


BUILD_SCRIPT = """
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let libraries = std::env::var("OUT_DIR").unwrap();
    println!("cargo::rustc-link-search=native={libraries}");
    println!("cargo::rustc-link-lib=dylib=m");
}
"""


def test_maturin_writes_folders_of_libraries_into_the_module(learned: Project) -> None:
    """So it is called if a build script names one after an edit."""
    learned.write("build.rs", "fn main() {}\n")
    build(learned)
    learned.edit()
    assert is_direct(build(learned)[0])
    learned.write("build.rs", BUILD_SCRIPT)
    run, wheel = build(learned)
    assert THROUGH + "maturin writes the folders of shared libraries" in run.output
    assert asking.probe(learned, wheel) == learned.sample.shows[1]
    # Cargo is not tried again.
    for number in range(44, 47):
        learned.write("src/answer.rs", f"pub const ANSWER: u32 = {number};\n")
        run, wheel = build(learned)
        assert THROUGH + "maturin writes the folders" in run.output
        assert run.output.count("Compiling pure") == 1
        assert asking.probe(learned, wheel) == str(number)


GENERATES = """
fn main() {
    println!("cargo::rerun-if-changed=src/answer.rs");
    let text = std::fs::read_to_string("src/answer.rs").unwrap();
    let folder = std::path::PathBuf::from(std::env::var("OUT_DIR").unwrap());
    std::fs::write(folder.join("copied.txt"), text).unwrap();
}
"""


def test_files_that_a_build_script_makes(learned: Project) -> None:
    """maturin packs them, so it is called."""
    learned.write("build.rs", GENERATES)
    table = '{ path = "copied.txt", from = "out-dir", to = "pure/" }'
    learned.append("pyproject.toml", f"\n[tool.maturin]\ninclude = [{table}]\n")
    build(learned)
    learned.edit()
    run, wheel = build(learned)
    assert not is_direct(run)
    with zipfile.ZipFile(wheel) as archive:
        assert "43" in archive.read("pure/copied.txt").decode()


@pytest.mark.parametrize("where", ["setting", "argument"])
def test_maturin_makes_or_checks_more_than_the_module(where: str, learned: Project) -> None:
    """So do `generate-stubs` and `--zig`, which need other packages."""
    arguments = {}
    if where == "setting":
        learned.append("pyproject.toml", '\n[tool.maturin]\nauditwheel = "skip"\n')
    else:
        arguments["MATURIN_PEP517_ARGS"] = "--auditwheel=skip"
    build(learned, **arguments)
    learned.edit()
    run, _ = build(learned, **arguments)
    assert not is_direct(run)
    assert "Running `maturin" in run.output


def test_arguments_that_the_user_gave(learned: Project) -> None:
    """They may be secret, so they are not kept, and cargo gets them all the same."""
    secret = "--config 'env.OF_A_SETTING=\"a-secret\"'"
    learned.write("src/answer.rs", 'pub const ANSWER: &str = env!("OF_A_SETTING");\n')
    learned.replace("src/lib.rs", "u32", "&'static str")
    build(learned, MATURIN_PEP517_ARGS=secret)
    learned.append("src/answer.rs", "// edited\n")
    run, wheel = build(learned, MATURIN_PEP517_ARGS=secret)
    assert is_direct(run)
    assert asking.probe(learned, wheel) == "a-secret"
    for note in learned.cache.rglob("direct-*.json"):
        assert "a-secret" not in note.read_text()
    learned.append("src/answer.rs", "// edited\n")
    run, wheel = build(learned, MATURIN_PEP517_ARGS=secret.replace("a-secret", "another"))
    assert not is_direct(run)
    assert asking.probe(learned, wheel) == "another"


def test_files_that_an_edit_includes(learned: Project) -> None:
    """They count from then on."""
    learned.write("src/text.txt", "44")
    learned.write("src/answer.rs", 'pub const ANSWER: &str = include_str!("text.txt");\n')
    learned.replace("src/lib.rs", "u32", "&'static str")
    run, wheel = build(learned)
    assert is_direct(run)
    assert asking.probe(learned, wheel) == "44"
    assert learned.is_fresh()
    learned.write("src/text.txt", "45")
    run, wheel = build(learned)
    assert not is_direct(run)
    assert asking.probe(learned, wheel) == "45"


def test_metadata_that_the_frontend_prepared(learned: Project) -> None:
    folder = learned.output_folder()
    hook = "prepare_metadata_for_build_editable"
    prepared = folder / learned.hook(hook, folder).ok().result
    learned.edit()

    def built() -> HookRun:
        arguments = (learned.output_folder(), None, str(prepared))
        return learned.hook("build_editable", *arguments, WHEELPRINT_LOG="debug").ok()

    assert is_direct(built())
    learned.undo_edit()
    (prepared / "NOTICE").write_text("added by the frontend")
    learned.replace("src/answer.rs", "42", "44")
    run = built()
    assert "built again, because the frontend prepared other metadata" in run.output


#: Its value is known to the compiled module.
READS = """
fn main() {
    println!("cargo::rerun-if-env-changed=CFLAGS_x86_64-unknown-linux-gnu");
    let flags = std::env::var("CFLAGS_x86_64-unknown-linux-gnu").unwrap_or_default();
    println!("cargo::rustc-env=SEEN={flags}");
}
"""


def test_a_variable_whose_name_is_no_identifier(learned: Project) -> None:
    """A shell would drop it. So the tests' own wrappers, which are shell scripts, are not used."""
    learned.write("build.rs", READS)
    learned.write("src/answer.rs", 'pub const ANSWER: &str = env!("SEEN");\n')
    learned.replace("src/lib.rs", "u32", "&'static str")
    folder = learned.output_folder() / "venv"
    python = environment.python_in(folder)
    learned.uv("venv", folder).ok()
    learned.uv("pip", "install", "--python", python, "wheelprint", "maturin").ok()
    scripts = environment.scripts_folder(folder)
    path = environment.path_without("maturin", environment.inherited()["PATH"])
    changes = {
        "PATH": os.pathsep.join([str(scripts), path]),
        "CFLAGS_x86_64-unknown-linux-gnu": "-DX",
        "WHEELPRINT_LOG": "debug",
    }
    for number in range(2):
        out = learned.output_folder()
        code = f"import wheelprint; wheelprint.build_editable({str(out)!r})"
        run = learned.run(python, "-c", code, output=out, **changes).ok()
        (wheel,) = out.glob("*.whl")
        assert asking.probe(learned, wheel) == "-DX"
        assert ("cargo was called as" in run.output) == (number == 1), run.output
        learned.append("src/answer.rs", "// edited\n")


def test_an_edit_right_before_the_call_is_no_race(learned: Project) -> None:
    """Its time is as near to the build as that of an edit during the build."""
    out = learned.output_folder()
    source = learned.path("src/answer.rs")
    code = (
        "import pathlib, wheelprint\n"
        f"pathlib.Path({str(source)!r}).write_text('pub const ANSWER: u32 = 44;')\n"
        f"wheelprint.build_editable({str(out)!r})"
    )
    learned.run(environment.python_in(learned.bench.venv("newest")), "-c", code, output=out).ok()
    (wheel,) = out.glob("*.whl")
    assert asking.probe(learned, wheel) == "44"
    assert learned.is_fresh()


REMOVES = """fn main() {
    println!("cargo:rerun-if-changed=src/answer.rs");
    let cache = std::env::var("WHEELPRINT_CACHE_DIR").unwrap();
    let store = std::path::Path::new(&cache).join("wheelprint-v1");
    let _ = std::fs::remove_dir_all(store.join("backend"));
}
"""


def test_the_store_is_cleaned_while_cargo_runs(learned: Project) -> None:
    """Imports ask a copy of the backend there. It was compared with the backend before."""
    learned.write("build.rs", REMOVES)
    build(learned)
    assert is_direct(edited(learned))
    assert list((learned.cache / "backend").iterdir())


@pytest.mark.parametrize("name", ["cargo", "./cargo"])
def test_the_program_that_the_user_chose(name: str, learned: Project) -> None:
    """A name without a folder is searched on PATH."""
    if name != "cargo":
        learned.path("cargo").symlink_to(learned.spy.programs / "cargo")
    for number in range(44, 46):
        learned.write("src/answer.rs", f"pub const ANSWER: u32 = {number};\n")
        run, wheel = build(learned, CARGO=name)
        assert asking.probe(learned, wheel) == str(number)
    assert is_direct(run)


def test_another_home(learned: Project) -> None:
    """Cargo's configuration may be there, so other target folders."""
    learned.edit()
    home = learned.output_folder()
    kept = {
        name: str(Path(os.environ.get(name) or Path.home() / folder))
        for name, folder in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"))
    }
    run, _ = build(learned, HOME=str(home), **kept)
    assert not is_direct(run)


def test_cargo_that_fails_alone(learned: Project) -> None:
    """maturin is called again after the second time: cargo may lack what only maturin provides."""
    good = learned.read("src/answer.rs")
    for number in range(4):
        learned.write("src/answer.rs", f"nonsense {number}\n")
        arguments = (learned.output_folder(),)
        run = learned.hook("build_editable", *arguments, WHEELPRINT_LOG="debug").failed()
        assert ("Running `maturin" in run.output) == (number >= 2)
    learned.write("src/answer.rs", good.replace("42", "44"))
    assert not is_direct(build(learned)[0])
    learned.write("src/answer.rs", good.replace("42", "45"))
    assert is_direct(build(learned)[0])


#: A build script that writes a file which maturin packs.
WRITES = """
fn main() {
    println!("cargo::rerun-if-changed=src/answer.rs");
    std::fs::create_dir_all("pure.data/data/share").unwrap();
    std::fs::copy("src/answer.rs", "pure.data/data/share/made.txt").unwrap();
}
"""


def test_files_that_a_build_script_writes_into_the_tree(learned: Project) -> None:
    learned.write("build.rs", WRITES)
    build(learned)
    build(learned)
    learned.edit()
    _, wheel = build(learned)
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("made.txt"))
        assert "43" in archive.read(name).decode()


def test_nobody_else_can_read_the_recording(learned: Project) -> None:
    """The variables of a build may be secrets."""
    holds = "fn main() { std::thread::sleep(std::time::Duration::from_secs(3)); }\n"
    learned.write("build.rs", holds)
    temporary = learned.output_folder()
    learned.env["TMPDIR"] = str(temporary)
    running = Build(learned)
    try:
        wait_for(lambda: list(temporary.glob("wheelprint-*/calls/*.json")) != [])
        (note,) = temporary.glob("wheelprint-*/calls/*.json")
        assert all(path.stat().st_mode & 0o077 == 0 for path in (note, note.parents[1]))
        assert learned.env["SPY_LOG"].encode().hex() not in note.read_text()
    finally:
        running.finish().ok()


def test_the_note_holds_no_other_variables(learned: Project) -> None:
    """A value of a variable could be a secret."""
    learned.replace("src/answer.rs", "42", "44")
    build(learned, **{"SOME_TOKEN": "top-secret", "some-token": "top-secret"})
    (note,) = learned.cache.glob("projects/*/trees/*/direct-*.json")
    assert "top-secret" not in note.read_text()
    call = json.loads(note.read_text().split("\n", 1)[1])["way"]["Directly"]["call"]
    assert call["arguments"][0] == "rustc"
