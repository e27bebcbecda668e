"""`wheelprint status` and `wheelprint explain`: what is so, and what uv really does then."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import environment, installed, schemas, terminals
from support.commands import program, wheelprint
from support.keys import without_keys
from support.versions import LOWEST_MATURIN

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project


@pytest.fixture
def project(check_out: CheckOut) -> Project:
    """Installed by uv, with the exhaustive keys."""
    found = without_keys(check_out("mixed-path-dep"))
    found.uv("sync").ok()
    wheelprint(found, "keys", "--write", "--exhaustive").ok()
    found.uv("sync").ok()
    return found


def status(project: Project, *arguments: str, **changes: Any) -> dict[str, Any]:
    """What `status --json` says; it keeps to its schema, and the exit code to the verdict."""
    run = wheelprint(project, "status", "--json", *arguments, **changes)
    said: dict[str, Any] = json.loads(run.stdout)
    schemas.check("status", said)
    assert run.code == (0 if said["verdict"] == "fresh" else 1), run.output
    return said


def does(project: Project, **changes: Any) -> str:
    """What `uv sync` really does."""
    project.spy.clear()
    output = project.uv("sync", "-v", **changes).ok().output
    if "Calling `wheelprint." not in output:
        return "nothing"
    if project.spy.compiled() or project.spy.calls("maturin"):
        return "build"
    return "stored"


def words(said: dict[str, Any]) -> list[str]:
    return [reason["text"] for reason in said.get("reasons", [])]


@pytest.mark.spy
def test_a_maturin_for_other_uses_is_no_reason(project: Project) -> None:
    """uv builds in an environment of its own, whatever the project's has in it. Where wheelprint is
    in it too, a build may be without isolation, and use that maturin."""
    into = ("--python", project.env["UV_PROJECT_ENVIRONMENT"])
    project.uv("pip", "install", *into, f"maturin=={LOWEST_MATURIN}").ok()
    said = status(project)
    assert (words(said), said["next-sync"]["action"]) == ([], "nothing")
    project.touch("src/lib.rs")
    assert status(project)["next-sync"]["action"] == "stored"
    project.uv("pip", "install", *into, "wheelprint").ok()
    (reason,) = words(status(project))
    assert reason.startswith("maturin: ")
    assert reason.endswith(f" -> {LOWEST_MATURIN}")
    project.uv("pip", "uninstall", *into, "wheelprint").ok()
    assert does(project) == "stored"


@pytest.mark.spy
def test_what_it_says_is_what_uv_does(project: Project) -> None:
    """One state after the other; what is said of the next sync comes true, and mends it."""
    steps: list[tuple[Any, list[str], str]] = [
        (lambda: None, [], "nothing"),
        (lambda: project.touch("src/lib.rs"), [], "stored"),
        (lambda: project.edit(), ["../shared-core/src/lib.rs changed"], "build"),
        (lambda: project.undo_edit(), ["../shared-core/src/lib.rs changed"], "stored"),
        (lambda: project.append("README.md", "more\n"), ["README.md changed"], "renew"),
        (lambda: project.append("pyproject.toml", "\n# a comment\n"), [], "stored"),
        (
            lambda: project.write("src/unused.rs", "// no module names it\n"),
            [],
            "stored",
        ),
        (
            lambda: project.write("build.rs", "fn main() {}\n"),
            ["build.rs is new"],
            "build",
        ),
    ]
    for change, reasons, action in steps:
        change()
        said = status(project)
        assert words(said) == reasons
        assert said["next-sync"]["action"] == action, said
        assert said["uv"]["notices"] is (action != "nothing")
        # Metadata is renewed in the store, and taken from there.
        assert does(project) == action.replace("renew", "stored"), reasons
        assert status(project)["verdict"] == "fresh"
        assert status(project)["next-sync"]["action"] == "nothing"


def test_a_variable(project: Project) -> None:
    said = status(project, RUSTFLAGS="--cfg loud")
    assert words(said) == ["RUSTFLAGS: unset -> set"]
    assert said["uv"]["because"] == ["RUSTFLAGS has another value"]
    assert status(project)["verdict"] == "fresh"
    # What only uv run sets.
    assert status(project, VIRTUAL_ENV="/elsewhere", PYO3_PYTHON="x")["verdict"] == "fresh"


@pytest.mark.skipif(os.name == "nt", reason="variables do not name these folders there")
@pytest.mark.parametrize(
    "variable", ["", "UV_CONFIG_FILE", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"], ids=str.lower
)
def test_settings_of_uv_outside_of_pyproject(
    variable: str, project: Project, tmp_path: Path
) -> None:
    """A uv.toml of the project, one that a variable names, the user's, the system's."""
    name = project.sample.name
    settings = (
        'config-settings = { build-args = "-q" }',
        f'extra-build-variables = {{ {name} = {{ CFLAGS = "-O1" }} }}',
    )
    place = tmp_path / "uv" / "uv.toml" if variable else project.root / "uv.toml"
    place.parent.mkdir(exist_ok=True)
    place.write_text("\n".join(settings) + "\n", encoding="utf-8")
    named = str(place if variable == "UV_CONFIG_FILE" else tmp_path)
    changes = {variable: named} if variable else {}
    said = words(status(project, **changes))
    assert "config setting build-args: now given" in said, said
    assert "CFLAGS: unset -> set" in said, said
    project.uv("sync", "--reinstall-package", name, **changes).ok()
    assert status(project, **changes)["verdict"] == "fresh"
    editable = installed.Editable(project, Path(project.env["UV_PROJECT_ENVIRONMENT"]))
    assert editable.imports(WHEELPRINT_ON_STALE="warn", **changes).said == []


def test_what_uv_does_not_see(project: Project) -> None:
    name = "../shared-core/data/stop-words.txt"
    project.replace("pyproject.toml", f'    {{ file = "{name}" }},\n', "")
    project.uv("sync").ok()
    project.append(name, "therefore\n")
    said = status(project)
    assert words(said) == [f"{name} changed"]
    assert (said["uv"]["notices"], said["next-sync"]["action"]) == (False, "nothing")
    text = wheelprint(project, "status").stdout
    assert "does not see it; `wheelprint keys --check` names the files without a cache key" in text
    assert 'does nothing; the next import finds out (on-stale = "rebuild")' in text
    installed.hears_nothing(project)


def test_what_the_short_list_leaves_out(project: Project) -> None:
    wheelprint(project, "keys", "--write").ok()
    project.uv("sync").ok()
    assert status(project)["uv"]["notices"] is False
    loud = {"RUSTFLAGS": "--cfg loud"}
    said = status(project, **loud)
    assert words(said) == ["RUSTFLAGS: unset -> set"]
    assert (said["uv"]["notices"], said["next-sync"]["action"]) == (False, "nothing")
    text = " ".join(wheelprint(project, "status", **loud).stdout.split())
    assert "does not see it, because the short list of cache keys has no variables" in text
    assert "`wheelprint keys --exhaustive` has them" in text
    assert 'does nothing; the next import finds out (on-stale = "rebuild")' in text
    # Neither does it see a new folder for data.
    data = project.path("text_stats.stats._native.data")
    data.mkdir()
    assert status(project)["uv"]["notices"] is False
    text = " ".join(wheelprint(project, "status").stdout.split())
    assert "does not see it, because the short list" in text
    # The import does not compare what maturin only copies.
    assert "does nothing; `uv sync --reinstall` installs it" in text
    project.uv("sync").ok()
    editable = installed.Editable(project, Path(project.env["UV_PROJECT_ENVIRONMENT"]))
    assert editable.imports(WHEELPRINT_ON_STALE="error").run.code == 0
    data.rmdir()
    # A new configuration file gets a key as soon as it is there.
    project.write(".cargo/config.toml", "[build]\nrustflags = ['--cfg', 'loud']\n")
    said = status(project)
    assert words(said) == [".cargo/config.toml is new"]
    assert said["uv"]["notices"] is False
    text = wheelprint(project, "status").stdout
    assert "does not see it; `wheelprint keys --check` names the files without a cache key" in text
    checked = wheelprint(project, "keys", "--check")
    assert checked.stdout.splitlines()[0] == ".cargo/config.toml: no cache key covers it"
    wheelprint(project, "keys", "--write").ok()
    assert status(project)["next-sync"]["action"] == "build"


def test_where_nothing_is_installed(check_out: CheckOut) -> None:
    project = without_keys(check_out("mixed-path-dep"))
    said = status(project)
    assert (said["environment"], said["installed"]) == (None, None)
    assert words(said) == ["it is not installed"]
    assert said["next-sync"]["action"] == "build"


def test_another_environment(project: Project) -> None:
    project.edit()
    project.uv("sync").ok()
    other = project.bench.folder / "state" / "other"
    project.uv("venv", other).ok()
    said = status(project, "--python", str(other))
    assert said["environment"]["prefix"] == str(other)
    assert said["installed"] is None
    assert said["next-sync"]["action"] == "stored"
    failed = wheelprint(project, "status", "--python", "nowhere/python")
    assert failed.code == 2
    assert "nowhere/python: " in failed.stderr


def test_a_wheel_of_the_sources_and_one_of_others(project: Project) -> None:
    venv = project.new_venv()
    _, wheel = project.build("wheel")
    python = str(venv)
    project.uv("pip", "install", "--python", python, wheel).ok()
    said = status(project, "--python", python)
    assert said["installed"]["editable"] is False
    assert said["uv"]["because"] == ["it was not installed from this folder"]
    assert said["verdict"] == "fresh", words(said)
    project.edit()
    assert words(status(project, "--python", python)) == ["../shared-core/src/lib.rs changed"]


def test_what_maturin_installed_says_nothing(check_out: CheckOut) -> None:
    project = check_out("bin-bindings", built_by="maturin")
    ours = project.read("pyproject.toml")
    project.switch_to_maturin()
    project.uv("sync").ok()
    refused = wheelprint(project, "status")
    assert refused.code == 2
    assert "build-backend: maturin builds it, not wheelprint" in refused.stderr
    project.write("pyproject.toml", ours)
    said = status(project)
    assert words(said) == ["what is installed does not say what it was built from"]


def test_the_store_is_gone(project: Project) -> None:
    project.edit()
    project.uv("sync").ok()
    for changes in ({}, {"WHEELPRINT_CACHE_DIR": project.bench.folder / "state" / "none"}):
        assert status(project, **changes)["verdict"] == "fresh"
    project.append("src/lib.rs", "// edited\n")
    other = {"WHEELPRINT_CACHE_DIR": project.bench.folder / "state" / "none"}
    assert words(status(project, **other)) == ["src/lib.rs changed"]


def test_the_shape_is_pinned(project: Project) -> None:
    project.edit()
    schemas.snapshot("status", status(project))
    said = json.loads(wheelprint(project, "explain", "--json").ok().stdout)
    schemas.check("explain", said)
    # Variables and tools are this machine's.
    own = ("environment", "toolchain")
    said["inputs"] = [one for one in said["inputs"] if one["part"] not in own]
    schemas.snapshot("explain", said)


@pytest.mark.parametrize("columns", [60, 100])
def test_narrow_terminals_lose_nothing(columns: int, project: Project) -> None:
    def shown(*command: str) -> str:
        env = environment.with_changes(project.env, {"TERM": "dumb"})
        command = (str(program(project)), *command)
        code, text = terminals.shown(list(command), columns, project.root, env)
        assert code == 0, text
        return text.replace("\r\n", "\n")

    project.uv("sync").ok()
    wide = wheelprint(project, "explain").ok().stdout.split()
    narrow = shown("explain")
    assert "\u2026" not in narrow
    assert {word for word in wide if word.startswith("-") or len(word) > 20} <= set(narrow.split())
    assert max(map(len, narrow.splitlines())) <= columns
    record = json.loads(wheelprint(project, "inspect", "--json", "mixed-path-dep").ok().stdout)[
        "record"
    ]
    assert record["fingerprint"]["sha256"] in shown("inspect", "mixed-path-dep")


def test_explain_names_the_key(project: Project) -> None:
    said = json.loads(wheelprint(project, "explain", "--json").ok().stdout)
    assert said["exact"] is True
    by_name = {(one["part"], one["name"]): one for one in said["inputs"]}
    lib = by_name["rust", "src/lib.rs"]
    assert (lib["reader"], lib["key"]) == ("rustc", '{ file = "src/**/*.rs" }')
    assert len(lib["value"]["sha256"]) == 64
    assert by_name["rust", "build.rs"]["value"] == "absent"
    assert by_name["toolchain", "rustc"]["no-key-because"] is not None
    missing = [one for one in said["inputs"] if one["no-key-because"] == "no key covers it"]
    assert missing == []


def test_no_value_of_a_variable_is_shown(project: Project) -> None:
    secret = "hunter2hunter2"
    for command in (["status"], ["status", "--json"], ["explain"], ["explain", "--json"]):
        run = wheelprint(project, *command, RUSTFLAGS=f"--cfg {secret}", CARGO_X=secret)
        assert secret not in run.output


def test_colour_only_where_it_is_wanted(project: Project) -> None:
    assert "\x1b" not in wheelprint(project, "status").stdout
    assert "\x1b[" in wheelprint(project, "status", FORCE_COLOR="1").stdout
    assert "\x1b" not in wheelprint(project, "status", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_completions(project: Project) -> None:
    for shell in ("bash", "zsh", "fish", "powershell"):
        assert "wheelprint" in wheelprint(project, "completions", shell).ok().stdout
    assert wheelprint(project, "completions", "tcl").code == 2


def test_python_m(project: Project) -> None:
    from support import environment

    python = environment.python_in(project.bench.venv())
    said = project.run(python, "-m", "wheelprint", "status").ok().stdout
    assert said == wheelprint(project, "status").ok().stdout
