"""`cargo check`, as rust-analyzer runs it: in the same target folder, before, during and after."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import asking
from support.background import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


def check_and_build_by_hand(project: Project) -> set[str]:
    """The packages that were compiled or checked for it."""
    project.spy.clear()
    for command in ("check", "build"):
        project.run("cargo", command, "--workspace").ok()
    return project.spy.compiled()


def test_its_results_are_left_alone(uncompiled: Project) -> None:
    """Those of rust-analyzer, and of clippy, in target/debug."""
    project = uncompiled
    asking.anew(project)
    check_and_build_by_hand(project)
    assert not check_and_build_by_hand(project)
    project.write("assets/text.txt", "another text\n")
    asking.stale(project)
    assert check_and_build_by_hand(project) <= {"every-input"}


def test_a_build_during_a_check(uncompiled: Project, tmp_path: Path) -> None:
    """In another profile: it must not break it."""
    project = uncompiled
    asking.anew(project)
    wrapper, here, go = (tmp_path / name for name in ("wrapper", "here", "go"))
    wrapper.write_text(
        '#!/bin/sh\ncase "$*" in *"--crate-name helper"*)\n'
        f'    touch {here}; while [ ! -e {go} ]; do sleep 0.05; done;;\nesac\nexec "$@"\n'
    )
    wrapper.chmod(0o755)
    check = subprocess.Popen(
        ["cargo", "check"],
        cwd=project.root,
        env={**project.env, "RUSTC_WRAPPER": str(wrapper)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(here.exists)
        project.write("assets/text.txt", "quite another text\n")
        asking.stale(project)
        assert check.poll() is None
    finally:
        go.touch()
        _, said = check.communicate()
    assert check.returncode == 0, said


@pytest.mark.parametrize("then", ["a variable changes", "nothing that rustc reads changes"])
def test_a_check_during_a_build(then: str, uncompiled: Project, tmp_path: Path) -> None:
    """In the same profile: its unit of the last crate is newer than the module's."""
    project = uncompiled
    project.replace(
        "src/lib.rs",
        'option_env!("READ_BY_CRATE").unwrap_or("unset")',
        'if cfg!(feature = "loud") { "none" } else { variable() }',
    )
    project.append(
        "src/lib.rs",
        '\n#[cfg(not(feature = "loud"))]\nfn variable() -> &\'static str {'
        ' option_env!("READ_BY_CRATE").unwrap_or("unset") }\n'
        '#[cfg(feature = "loud")]\nfn variable() -> &\'static str { "loud" }\n',
    )
    bindings = 'bindings = "cffi"\n'
    project.replace("pyproject.toml", bindings, f'{bindings}editable-profile = "dev"\n')
    script, flag = tmp_path / "cargo-and-check", tmp_path / "flag"
    real = shutil.which("cargo", path=project.env["PATH"])
    check = f"{real} check -q --features loud"
    script.write_text(
        f'#!/bin/sh\ncase "$1" in rustc) [ -e {flag} ] && {check};; esac\nexec {real} "$@"\n'
    )
    script.chmod(0o755)
    project.env["CARGO"] = str(script)
    asking.anew(project)
    flag.touch()
    project.replace("pyproject.toml", '["cffi"]', '["cffi>=1"]')
    project.build("editable")
    flag.unlink()
    if then == "a variable changes":
        project.env["READ_BY_CRATE"] = "set"
        asking.must_see(project, "variable", "set")
        return
    project.replace("pyproject.toml", '["cffi>=1"]', '["cffi>=1.1"]')
    project.spy.clear()
    run, _ = project.build("editable")
    assert not project.spy.compiled(), (run.verdict, project.spy.compiled())
