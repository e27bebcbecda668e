"""`[tool.wheelprint]`, its variables and its config settings: names, values, precedence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.commands import wheelprint

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project


def test_extra_inputs_that_match_nothing(check_out: CheckOut) -> None:
    """Said once in a build, and by those commands that speak of inputs; an import says nothing."""
    project = check_out("pure")
    project.write("there/deep/file.txt", "")
    globs = ["schema/**/*.json", "there", "there/*", "../nowhere/x", "README.md"]
    project.settings(f"extra-inputs = {json.dumps(globs)}")
    said = [
        f"warning: pyproject.toml: tool.wheelprint.extra-inputs: `{glob}` matches no file"
        for glob in ("schema/**/*.json", "../nowhere/x")
    ]
    output = project.uv("sync", "-v").ok().output
    for line in said:
        assert output.count(line) == 1, output
    assert output.count("matches no file") == len(said)
    for command in ("status", "explain"):
        run = wheelprint(project, command)
        assert run.stderr.splitlines() == said
    run = project.uv("run", "--no-sync", "python", "-c", project.sample.probe).ok()
    assert run.stderr == ""
    project.append("there/deep/file.txt", "more")
    assert "matches no file" in project.uv("sync", "-v", "--reinstall").ok().output
    # What was built is not asked for again.
    project.touch("pyproject.toml")
    assert "matches no file" not in project.uv("sync", "-v").ok().output
    # An archive need not hold them.
    run = project.uv("build", "-v").ok()
    assert "matches no file" not in run.output
    project.write("schema/a/b.json", "")
    assert "schema" not in wheelprint(project, "status").stderr


def reused(project: Project, settings: dict[str, str] | None = None, **variables: Any) -> bool:
    """Whether an editable build of an unchanged project is answered from the store."""
    project.editable()
    project.spy.clear()
    project.build("editable", settings, **variables)
    return not project.spy.calls("cargo")


def test_a_build_without_comparison_says_why(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    said = project.uv("build", "--wheel", "-v").ok().output
    assert 'wheelprint: wheels are always built (reuse = "editable")' in said
    assert "stale" not in said
    said = project.editable(WHEELPRINT_REUSE="never").output
    assert 'wheelprint: builds are never reused (reuse = "never")' in said


@pytest.mark.spy
@pytest.mark.parametrize(
    ("in_project", "config_setting", "variable", "expected"),
    [
        (None, None, None, True),
        ("never", None, None, False),
        ("never", "editable", None, True),
        ("editable", "never", None, False),
        ("never", "never", "editable", True),
        ("editable", "editable", "never", False),
        # An empty variable is none.
        ("never", None, "", False),
    ],
)
def test_precedence(
    in_project: str | None,
    config_setting: str | None,
    variable: str | None,
    expected: bool,
    check_out: CheckOut,
) -> None:
    project = check_out("bin-bindings")
    if in_project is not None:
        project.settings(f'reuse = "{in_project}"')
    settings = None if config_setting is None else {"wheelprint.reuse": config_setting}
    variables = {} if variable is None else {"WHEELPRINT_REUSE": variable}
    assert reused(project, settings, **variables) is expected


@pytest.mark.spy
def test_extra_inputs(check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    project.settings('extra-inputs = ["schema/**/*.json", "NOTES"]')
    project.write("schema/deep/one.json", "{}")
    project.editable()
    assert project.is_fresh()
    for name in ("schema/deep/one.json", "schema/two.json", "NOTES"):
        project.write(name, '{"changed": true}')
        assert not project.is_fresh(), name
        assert project.is_fresh(), name
    project.path("schema/two.json").unlink()
    # The state before two.json was never built with the others as they are now.
    assert not project.is_fresh()
    project.write("schema/three.toml", "")
    assert project.is_fresh()


@pytest.mark.parametrize(
    ("text", "named", "suggested"),
    [
        ('on-stal = "rebuild"', "tool.wheelprint.on-stal", "on-stale"),
        ('on_stale = "rebuild"', "tool.wheelprint.on_stale", "on-stale"),
        ('resue = "never"', "tool.wheelprint.resue", "reuse"),
        ('extra-input = ["a"]', "tool.wheelprint.extra-input", "extra-inputs"),
        ('colour = "green"', "tool.wheelprint.colour", "reuse"),
        ('reuse = "allways"', "tool.wheelprint.reuse", "always"),
        ('on-stale = "fail"', "tool.wheelprint.on-stale", "error"),
        ("reuse = true", "tool.wheelprint.reuse", "string"),
        ('extra-inputs = "a"', "tool.wheelprint.extra-inputs", "list"),
        ("remap-path = true", "tool.wheelprint.remap-path", "remap-paths"),
        ('remap-paths = "true"', "tool.wheelprint.remap-paths", "true or false, found string"),
        ("remap-paths = 1", "tool.wheelprint.remap-paths", "true or false, found integer"),
        ("extra-inputs = [1]", "tool.wheelprint.extra-inputs", "string"),
        ('extra-inputs = ["a[b"]', "tool.wheelprint.extra-inputs", "a[b"),
    ],
)
@pytest.mark.parametrize("hook", ["get_requires_for_build_wheel", "build_editable"])
def test_a_wrong_setting(
    hook: str, text: str, named: str, suggested: str, check_out: CheckOut
) -> None:
    project = check_out("bin-bindings")
    project.settings(text)
    args = (None,) if hook.startswith("get") else (project.output_folder(), None)
    run = project.hook(hook, *args).failed()
    assert "pyproject.toml" in run.stderr
    assert named in run.stderr
    assert suggested in run.stderr.split(named, 1)[1]
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("variable", "value", "suggested"),
    [
        ("WHEELPRINT_REUSE", "allways", "always"),
        ("WHEELPRINT_ON_STALE", "rebild", "rebuild"),
        ("WHEELPRINT_LOG", "inof", "info"),
        ("WHEELPRINT_REMAP_PATHS", "True", "true"),
        ("WHEELPRINT_REMAP_PATHS", "1", "use one of true | false"),
    ],
)
def test_a_wrong_variable(variable: str, value: str, suggested: str, check_out: CheckOut) -> None:
    project = check_out("bin-bindings")
    variables: dict[str, Any] = {variable: value}
    run = project.hook("build_editable", project.output_folder(), **variables).failed()
    assert variable in run.stderr
    assert suggested in run.stderr


@pytest.mark.parametrize(
    ("settings", "named", "suggested"),
    [
        ({"wheelprint.resue": "never"}, "wheelprint.resue", "reuse"),
        ({"wheelprint.remap-paths": "flase"}, "wheelprint.remap-paths", "false"),
        ({"wheelprint.remap-path": "true"}, "wheelprint.remap-path", "remap-paths"),
        ({"wheelprint.reuse": "nevr"}, "wheelprint.reuse", "never"),
        ({"wheelprint.reuse": ["never", "always"]}, "wheelprint.reuse", "one value"),
    ],
)
def test_a_wrong_config_setting(
    settings: dict[str, object], named: str, suggested: str, check_out: CheckOut
) -> None:
    project = check_out("bin-bindings")
    run = project.hook("build_editable", project.output_folder(), settings).failed()
    assert named in run.stderr
    assert suggested in run.stderr
