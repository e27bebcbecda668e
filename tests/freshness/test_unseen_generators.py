"""What cffi and cbindgen make of a project: declarations that rustc does not have a part in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import asking, wheels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]


def declared(wheel: Path, *names: str) -> list[str]:
    """Which of those names the wheel's Python files mention."""
    files = [name for name in wheels.names(wheel) if name.endswith(".py")]
    text = b"".join(wheels.read(wheel, name) for name in files).decode("latin-1")
    return [name for name in names if name in text]


def test_a_header_in_the_target_folder(uncompiled: Project) -> None:
    """maturin takes target/header.h, if it is there, for cbindgen's."""
    project = uncompiled
    asking.anew(project)
    header = project.target / "header.h"
    header.write_text("const char *seen(void);\nconst char *added_later(void);\n")
    try:
        run, wheel = project.build("editable")
        _, expected = project.build("editable", WHEELPRINT_REUSE="never")
    finally:
        header.unlink()
    assert declared(wheel, "added_later") == declared(expected, "added_later"), run.verdict


def test_a_module_that_rustc_leaves_out(uncompiled: Project) -> None:
    """cbindgen makes the header from all modules, whatever their cfg says."""
    project = uncompiled
    names = ("first_name", "second_name")
    project.append("src/lib.rs", '\n#[cfg(feature = "loud")]\npub mod extra;\n')
    function = '#[unsafe(no_mangle)]\npub extern "C" fn {}() -> i32 {{ 1 }}\n'
    project.write("src/extra.rs", function.format(names[0]))
    asking.anew(project)
    project.build("editable", WHEELPRINT_REUSE="never")
    asking.anew(project)
    project.write("src/extra.rs", function.format(names[1]))
    run, wheel = project.build("editable")
    _, expected = project.build("editable", WHEELPRINT_REUSE="never")
    assert declared(wheel, *names) == declared(expected, *names), run.verdict


def test_a_module_by_path_that_rustc_leaves_out(check_out: CheckOut) -> None:
    """`#[path]` names it, and the library has a folder of its own."""
    project = check_out("cffi-bindings")
    project.path("rust").mkdir()
    project.path("src/lib.rs").rename(project.path("rust/lib.rs"))
    project.replace("Cargo.toml", "[lib]\n", '[lib]\npath = "rust/lib.rs"\n')
    project.append("rust/lib.rs", '\n#[cfg(windows)]\n#[path = "elsewhere.rs"]\nmod extra;\n')
    function = '#[unsafe(no_mangle)]\npub extern "C" fn {}() -> i32 {{ 1 }}\n'
    project.write("rust/elsewhere.rs", function.format("first_name"))
    _, wheel = project.build("editable")
    assert declared(wheel, "first_name")
    project.write("rust/elsewhere.rs", function.format("second_name"))
    run, wheel = project.build("editable")
    assert declared(wheel, "second_name"), run.verdict
