"""What an import check could miss, or could never be done with."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest
from support import asking, environment, installed, packages, privileges, toolchains
from support.changes import SEEN as SEEN_AS_JSON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import CheckOut
    from support.installed import Editable
    from support.project import Project
    from support.workbench import Workbench

pytestmark = pytest.mark.spy

SAMPLE = "mixed-path-dep"
WHOLE = "../../crates/whole"
SEEN = "import every_input"
#: What was changed is at rest, so that its stat values are remembered.
AT_REST = 2.1


@dataclass(frozen=True)
class Case:
    """A change that comes after another one, which makes no difference."""

    harmless: Callable[[Project], object]
    change: Callable[[Project], object]
    reason: str
    before: Callable[[Project], object] = lambda project: None


def link(project: Project, name: str, target: str) -> None:
    try:
        project.path(name).symlink_to(target)
    except OSError as error:
        pytest.skip(f"no symbolic links here: {error}")


def in_git(project: Project) -> None:
    root = project.path("../..")
    project.write("../../.gitignore", "*.dat\n")
    project.write(f"{WHOLE}/made.dat", "ignored")
    asking.git(project, "init", "-q", cwd=root)
    asking.git(project, "add", "--all", cwd=root)


CASES = {
    "a file in a new folder below a glob": Case(
        lambda p: p.path("schema/new").mkdir(),
        lambda p: p.write("schema/new/b.json", "{}"),
        "schema/new/b.json is new",
        before=lambda p: (
            p.write("schema/a.json", "{}"),
            p.settings('extra-inputs = ["schema/**/*.json"]'),
        ),
    ),
    "a file where a glob begins": Case(
        lambda p: p.path("schema").mkdir(),
        lambda p: p.write("schema/b.json", "{}"),
        "schema/b.json is new",
        before=lambda p: p.settings('extra-inputs = ["schema/**/*.json"]'),
    ),
    "a file beside a link that leads to itself": Case(
        lambda p: None,
        lambda p: p.write("schema/b.json", "{}"),
        "schema/b.json is new",
        before=lambda p: (
            p.write("schema/a.json", "{}"),
            link(p, "schema/loop", "loop"),
            p.settings('extra-inputs = ["schema/*.json"]'),
        ),
    ),
    "a file that matches a glob in another alphabet": Case(
        lambda p: p.write("späte/other.txt", ""),
        lambda p: p.write("späte/b.json", "{}"),
        "späte/b.json is new",
        before=lambda p: (
            p.write("späte/a.json", "{}"),
            p.settings('extra-inputs = ["späte/*.json"]'),
        ),
    ),
    "a file in a new folder of a package that counts as a whole": Case(
        lambda p: p.path(f"{WHOLE}/more").mkdir(),
        lambda p: p.write(f"{WHOLE}/more/b.txt", "two"),
        "crates/whole/more/b.txt is new",
    ),
    "a file in another tool's folder in a watched one": Case(
        lambda p: None,
        lambda p: p.write("words/cache/b.txt", "two"),
        "words/cache/b.txt is new",
        before=lambda p: p.write("words/cache/CACHEDIR.TAG", ""),
    ),
    "what a link leads to": Case(
        lambda p: None,
        lambda p: p.write("../../crates/outside.txt", "two"),
        "linked.txt is new",
        before=lambda p: link(p, f"{WHOLE}/linked.txt", "../outside.txt"),
    ),
    "a folder in the place of a file": Case(
        lambda p: None,
        lambda p: (p.path("schema/foo").unlink(), p.write("schema/foo/b.json", "{}")),
        "schema/foo/b.json is new",
        before=lambda p: (
            p.write("schema/foo", ""),
            p.settings('extra-inputs = ["schema/**/*.json"]'),
        ),
    ),
    "a folder that is no longer another tool's": Case(
        lambda p: None,
        lambda p: p.path("schema/cache/CACHEDIR.TAG").unlink(),
        "schema/cache/b.json is new",
        before=lambda p: (
            p.write("schema/cache/CACHEDIR.TAG", ""),
            p.write("schema/cache/b.json", "{}"),
            p.settings('extra-inputs = ["schema/**/*.json"]'),
        ),
    ),
    "rules of git that git ignores": Case(
        lambda p: p.write(f"{WHOLE}/made/b.txt", "ignored"),
        lambda p: p.write(f"{WHOLE}/made/.gitignore", ""),
        "made/.gitignore is new",
        before=lambda p: (p.write(f"{WHOLE}/made/.gitignore", "*\n"), in_git(p)),
    ),
    "more inputs": Case(
        lambda p: p.write("schema.json", "{}"),
        lambda p: p.settings('extra-inputs = ["schema.json"]'),
        "pyproject.toml changed",
    ),
    "what git no longer ignores": Case(
        lambda p: p.write(f"{WHOLE}/other.dat", "ignored too"),
        lambda p: p.write("../../.gitignore", ""),
        "other.dat is new",
        before=in_git,
    ),
}


IN_BOTH_SESSIONS = ("a file where a glob begins", "what a link leads to", "more inputs")


@pytest.mark.parametrize(
    "name",
    [
        name if name in IN_BOTH_SESSIONS else pytest.param(name, marks=pytest.mark.freshness)
        for name in CASES
    ],
)
def test_a_change_after_a_harmless_one(name: str, every_input: Project) -> None:
    case = CASES[name]
    case.before(every_input)
    editable = installed.install(every_input)
    editable.imports(SEEN).run.ok()
    case.harmless(every_input)
    time.sleep(AT_REST)
    for _ in range(2):
        assert editable.imports(SEEN).said == []
    case.change(every_input)
    said = editable.imports(SEEN).said
    assert said, "not seen"
    assert case.reason in said[0], said
    assert editable.imports(SEEN).said == []


@pytest.mark.parametrize("policy", ["warn", "error"])
def test_what_makes_no_difference_is_not_mentioned(policy: str, every_input: Project) -> None:
    in_git(every_input)
    every_input.settings(f'on-stale = "{policy}"')
    editable = installed.install(every_input)
    assert editable.imports(SEEN).said == []
    every_input.append("../../.gitignore", "# a comment\n")
    every_input.spy.clear()
    for _ in range(2):
        assert editable.imports(SEEN).run.ok().stderr == ""
    every_input.spy.assert_idle()


def test_the_words_config_settings_in_a_comment(every_input: Project) -> None:
    every_input.append("pyproject.toml", "# config-settings: none\n")
    editable = installed.install(every_input, "--config-settings", "build-args=--profile dev")
    editable.imports(SEEN).run.ok()
    every_input.edit()
    every_input.spy.clear()
    editable.imports(SEEN).run.ok()
    if sys.version_info >= (3, 11):
        assert any("dev" in str(call) for call in every_input.spy.calls("cargo"))


# On a smaller project


@pytest.fixture(scope="module")
def shared(bench: Workbench) -> Iterator[Project]:
    yield bench.check_out(SAMPLE)
    bench.put_away()


@pytest.fixture
def project(shared: Project) -> Iterator[Project]:
    names = (shared.sample.source, "pyproject.toml", "Cargo.toml")
    before = {name: shared.read(name) for name in names}
    env = dict(shared.env)
    yield shared
    for name, text in before.items():
        shared.write(name, text)
    shared.path("build.rs").unlink(missing_ok=True)
    shared.env.clear()
    shared.env.update(env)


@pytest.mark.freshness
def test_an_environment_over_another(project: Project) -> None:
    """`uv run --with` runs in one that is laid over the project's own."""
    editable = installed.synced(project)
    assert editable.imports().shows == "3.0"
    text = project.read("pyproject.toml")
    start = text.index("[tool.uv]")
    project.write("pyproject.toml", text[:start] + text[text.index("[build-system]") :])
    project.uv("sync").ok()
    project.edit()
    run = project.uv("run", "--with", "packaging", "python", "-c", project.sample.probe).ok()
    assert run.stdout.strip() == "6.0"
    editable.is_quiet("6.0")
    installed.hears_nothing(project)


def test_uv_is_told_not_to_install_editables(project: Project) -> None:
    editable = installed.install(project)
    editable.imports().run.ok()
    project.edit()
    assert editable.imports(UV_NO_EDITABLE="1").is_renewed
    project.undo_edit()
    assert editable.imports().shows == "3.0"


@pytest.mark.freshness
def test_settings_of_the_project_are_not_given_twice(project: Project) -> None:
    project.replace("pyproject.toml", "[tool.uv]", '[tool.uv]\nconfig-settings.build-args = "-q"')
    editable = installed.synced(project)
    editable.imports().run.ok()
    project.edit()
    assert editable.imports().is_renewed
    assert editable.imports().said == []
    installed.hears_nothing(project)


def test_variables_that_uv_sets_for_builds(project: Project) -> None:
    extra = f'[tool.uv]\nextra-build-variables = {{ {SAMPLE} = {{ CFLAGS = "-O1" }} }}'
    project.replace("pyproject.toml", "[tool.uv]", extra)
    editable = installed.synced(project)
    for _ in range(2):
        assert editable.imports(WHEELPRINT_ON_STALE="warn").said == []


@pytest.mark.freshness
def test_an_environment_in_a_folder_that_is_watched(project: Project) -> None:
    project.write("build.rs", 'fn main() { println!("cargo::rerun-if-changed=."); }\n')
    editable = installed.synced(project)
    editable.imports().run.ok()
    for _ in range(2):
        assert editable.imports().said == []
    project.edit()
    assert editable.imports().shows == "6.0"
    assert editable.imports().said == []


@pytest.mark.freshness
def test_what_failed_is_looked_at_by_uv(project: Project) -> None:
    editable = installed.synced(project)
    project.replace(project.sample.source, "letters as f64", "lettres as f64")
    editable.imports().run.failed()
    project.replace(project.sample.source, "lettres as f64", "letters as f64 * 2.0")
    asking.set_mtime(project.path(project.sample.source), asking.LONG_AGO)
    project.uv("sync").ok()
    editable.is_quiet("6.0")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_the_place_of_a_source(project: Project) -> None:
    editable = installed.install(project)
    source = project.path(project.sample.source)
    text = source.read_text()
    source.unlink()
    os.mkfifo(source)
    try:
        imported = editable.imports(WHEELPRINT_ON_STALE="warn")
        assert "lib.rs" in imported.said[0]
    finally:
        source.unlink()
        source.write_text(text)


def damage_inputs(editable: Editable) -> None:
    (inputs,) = editable.site.glob("*.editable/inputs")
    fields = inputs.read_bytes().split(b"\0")
    inputs.unlink()
    inputs.write_bytes(b"\0".join(fields[:-3]))


def damage_memory(editable: Editable) -> None:
    memories = (editable.project.cache / "imports").glob("*.memory")
    memory = max(memories, key=lambda path: path.stat().st_mtime_ns)
    content = memory.read_bytes()
    middle = len(content) // 2
    memory.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


@pytest.mark.freshness
def test_folders_whose_names_cannot_be_read(project: Project) -> None:
    """Their content is not known: when the wheel was built, or now."""
    prefix = privileges.obeying_modes()
    project.settings('extra-inputs = ["schema/**/*.json"]')
    for folder in ("before", "after"):
        project.write(f"schema/{folder}/a.json", "{}")
    before, after = (project.path(f"schema/{folder}") for folder in ("before", "after"))
    usual = before.stat().st_mode
    before.chmod(0o311)
    try:
        _, wheel = project.build("editable", prefix=prefix)
        venv = project.new_venv()
        python = environment.python_in(venv)
        project.uv("pip", "install", "--python", python, "--no-deps", wheel).ok()
        command = installed.Editable(project, venv).command()

        def says() -> str:
            run = project.run(*prefix, *command, cwd=venv, WHEELPRINT_ON_STALE="warn")
            return run.ok().stderr

        assert says() == ""
        after.chmod(0o311)
        assert "schema/after can't be relied on: permission denied" in says()
        after.chmod(usual)
        assert says() == ""
        before.chmod(usual)
        assert "schema/before" in says()
    finally:
        before.chmod(usual)
        after.chmod(usual)


@pytest.mark.freshness
def test_a_source_that_every_build_writes(project: Project) -> None:
    """With the same content, that is no race without an end."""
    project.write(
        "build.rs",
        'fn main() { std::fs::write("src/made.rs", "// made").unwrap(); }\n',
    )
    try:
        project.append("src/lib.rs", "\nmod made;\n")
        editable = installed.install(project)
        for _ in range(3):
            editable.imports().run.ok()
        assert editable.imports().said == []
    finally:
        project.replace("src/lib.rs", "\nmod made;\n", "")
        project.path("src/made.rs").unlink()


def test_a_folder_in_an_environment_that_is_none(project: Project) -> None:
    """What was installed with `--target` is not installed into the environment instead."""
    editable = installed.install(project)
    target = editable.venv / "vendor"
    into = ("--python", editable.python, "--target", target)
    project.uv("pip", "uninstall", "--python", editable.python, SAMPLE).ok()
    project.uv("pip", "install", *into, "--no-deps", "-e", project.root).ok()
    project.edit()
    code = f"import site; site.addsitedir({str(target)!r}); {project.sample.probe}"
    imported = editable.imports(code)
    assert imported.shows == "3.0"
    assert "is in no environment that this interpreter knows" in imported.run.stderr
    assert not list(editable.site.glob("*.editable"))


def test_the_hook_is_thrown_out_of_the_loaded_modules(project: Project) -> None:
    editable = installed.install(project)
    code = "import sys\nfor name in [name for name in sys.modules if 'wheelprint' in name]:\n"
    code += f"    del sys.modules[name]\n{project.sample.probe}"
    assert editable.imports(code).shows == "3.0"


def test_inputs_that_are_cut_short(project: Project) -> None:
    editable = installed.install(project)
    editable.imports().run.ok()
    damage_inputs(editable)
    project.edit()
    assert "can't be told" in editable.imports().said[0]


def test_a_memory_of_something_else(project: Project) -> None:
    editable = installed.install(project)
    editable.imports().run.ok()
    damage_memory(editable)
    project.edit()
    assert editable.imports().shows == "6.0"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_another_rustc_comes_first(project: Project, tmp_path: Path) -> None:
    editable = installed.install(project)
    editable.imports().run.ok()
    rustc = tmp_path / "rustc"
    rustc.write_text('#!/bin/sh\necho "rustc 9.9.9 (abc 2030-01-01)"\n')
    rustc.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), project.env["PATH"]])
    (said,) = editable.imports(WHEELPRINT_ON_STALE="warn", PATH=path).said
    assert " -> 9.9.9" in said


@pytest.mark.freshness
def test_another_home_of_cargo(project: Project, tmp_path: Path) -> None:
    home = Path(project.env.get("CARGO_HOME", Path.home() / ".cargo"))
    editable = installed.install(project)
    editable.imports().run.ok()
    for _ in range(2):
        same = {"WHEELPRINT_ON_STALE": "warn", "CARGO_HOME": str(home)}
        assert editable.imports(**same).said == []
    project.spy.clear()
    (tmp_path / "config.toml").write_text('[build]\nrustflags = ["--cfg", "loud"]\n')
    said = editable.imports(WHEELPRINT_ON_STALE="warn", CARGO_HOME=str(tmp_path)).said
    assert said, "not seen"
    assert "config.toml" in said[0]


@pytest.mark.freshness
def test_another_home_of_rustup(project: Project, tmp_path: Path) -> None:
    """The version of rustc is asked for there."""
    toolchains.behind_rustup(project)
    editable = installed.install(project)
    editable.imports().run.ok()
    (tmp_path / "toolchains").mkdir()
    (tmp_path / "toolchains/other").symlink_to(toolchains.sysroot("nightly"))
    toolchains.set_default(tmp_path, "other")
    said = editable.imports(WHEELPRINT_ON_STALE="warn", RUSTUP_HOME=str(tmp_path)).said
    assert said, "not seen"
    assert "rustc" in said[0]


@pytest.mark.freshness
@pytest.mark.parametrize("name", ["UV_THING", "PYTHON_FLAVOUR", "PIP_THING", "CONDA_THING"])
def test_a_variable_of_the_user(name: str, check_out: CheckOut) -> None:
    """Its name begins like those that tools set for themselves."""
    project = check_out("every-input")
    packages.show(project, f'option_env!("{name}").unwrap_or("unset").to_owned()')
    editable = installed.install(project)
    assert installed.seen(editable.imports(SEEN_AS_JSON))["edited"] == "unset"
    assert installed.seen(editable.imports(SEEN_AS_JSON, **{name: "set"}))["edited"] == "set"
    assert editable.imports(SEEN_AS_JSON, **{name: "set"}).said == []


def test_the_file_says_what_it_is_about(check_out: CheckOut) -> None:
    """No variable's value is in it."""
    project = check_out("every-input")
    project.env["RUSTFLAGS"] = "--cfg=secret_flag"
    editable = installed.install(project)
    (inputs,) = editable.site.glob("*.editable/inputs")
    text = inputs.read_bytes()
    assert b"secret_flag" not in text
    facts = json.loads(text.split(b"\0")[5])["facts"]
    assert len(facts["variables"]["RUSTFLAGS"]) == 64


@pytest.mark.freshness
def test_a_project_inside_of_an_environment(check_out: CheckOut) -> None:
    """pip puts what it checks out itself into the environment's `src`."""
    project = check_out("pure")
    project.write("../../pyvenv.cfg", "home = nowhere\n")
    editable = installed.install(project)
    editable.is_quiet("42")
    project.edit()
    assert editable.imports().shows == "43"
