"""What does not reach the module and is easily taken for a change, or read though it must not be.

A build for such a thing costs time only, but each time.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import socket
from typing import TYPE_CHECKING

import pytest
from support import asking, packages
from support.background import Build

if TYPE_CHECKING:
    from support.project import Project

pytestmark = [pytest.mark.spy, pytest.mark.freshness]

HELPER = "../../crates/helper"
WHOLE = "../../crates/whole"


def test_a_script_that_writes_a_source(uncompiled: Project) -> None:
    """Generated code in src, written whether it changed or not."""
    project = uncompiled
    project.write(
        f"{HELPER}/build.rs",
        """fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    std::fs::write("src/made.rs", "pub const MADE: &str = \\"made\\";\\n").unwrap();
}
""",
    )
    project.append(f"{HELPER}/src/lib.rs", "pub mod made;\n")
    project.replace(f"{HELPER}/src/lib.rs", '= "helper 1"', "= made::MADE")
    assert asking.anew(project).seen["helper"] == "made"
    asking.must_settle(project, 3)


def test_a_package_inside_one_that_names_nothing(uncompiled: Project) -> None:
    """Cargo leaves it out of what the outer one's script depends on."""
    project = uncompiled
    packages.add(project, f"{WHOLE}/inner", more="[workspace]\n")
    asking.anew(project)
    project.write(f"{WHOLE}/inner/src/lib.rs", "// more")
    asking.fresh(project)


def test_what_a_script_no_longer_watches(uncompiled: Project) -> None:
    """Its outputs of other flags lie in the target folder for ever."""
    project = uncompiled
    project.env["RUSTFLAGS"] = "--cfg other"
    asking.anew(project)
    del project.env["RUSTFLAGS"]
    project.replace(
        f"{WHOLE}/build.rs",
        "fn main() {",
        'fn main() {\n    println!("cargo::rerun-if-changed=notes");',
    )
    asking.anew(project)
    asking.fresh(project)
    project.write(f"{WHOLE}/other.txt", "more")
    asking.fresh(project)


def test_a_dangling_link_in_a_watched_folder(uncompiled: Project) -> None:
    """An editor's lock, say: `.#first.txt`. Cargo passes over it."""
    project = uncompiled
    project.replace(
        "build.rs",
        'fs::read_to_string(&path).expect("UTF-8")',
        "fs::read_to_string(&path).unwrap_or_default()",
    )
    project.path("words/.#first.txt").symlink_to("me@here.123:456")
    asking.anew(project)
    asking.must_settle(project)


def test_a_pipe_in_a_package_that_names_nothing(uncompiled: Project) -> None:
    """Cargo asks for its time only; reading it would wait for ever."""
    project = uncompiled
    project.write(f"{WHOLE}/sub/some.txt", "")
    pipe = project.path(f"{WHOLE}/sub/pipe")
    os.mkfifo(pipe)
    try:
        asking.forget_builds(project)
        build = Build(project)
        assert build.ends_within(40), build.log
        build.finish().ok()
    finally:
        pipe.unlink()


def test_a_socket_in_a_package_that_names_nothing(uncompiled: Project) -> None:
    project = uncompiled
    path = project.path(f"{WHOLE}/some.sock")
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            asking.anew(project)
            asking.must_settle(project)
    finally:
        path.unlink(missing_ok=True)


def name_nothing(project: Project) -> None:
    """The last crate's script then watches the whole package."""
    text = re.sub(r"(?m)^\s*println!\(.cargo::rerun-if.*\n", "", project.read("build.rs"))
    project.write("build.rs", text)


def test_a_script_that_names_nothing_beside_the_module(uncompiled: Project) -> None:
    """maturin writes the module into the folder that cargo watches."""
    name_nothing(uncompiled)
    asking.anew(uncompiled)
    asking.must_settle(uncompiled, 1)


def test_a_script_that_names_nothing_in_git(uncompiled: Project) -> None:
    """The same, where git ignores the module."""
    project = uncompiled
    name_nothing(project)
    project.write("../../.gitignore", "target\n*.so\n__pycache__\n")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        asking.git(project, *command)
    asking.anew(project)
    asking.must_settle(project, 1)


def test_a_script_that_watches_the_python_folder(uncompiled: Project) -> None:
    """The module is written into it, too."""
    uncompiled.replace(
        "build.rs",
        "fn main() {",
        'fn main() {\n    println!("cargo::rerun-if-changed=python");',
    )
    asking.anew(uncompiled)
    asking.must_settle(uncompiled, 1)


def add_a_second_member(project: Project) -> Project:
    """The same package once more in its workspace, with another name and module."""
    second = dataclasses.replace(project, root=project.path("../second"))
    shutil.copytree(project.root, second.root)
    for manifest in ("Cargo.toml", "pyproject.toml"):
        second.replace(manifest, 'name = "every-input"', 'name = "second-input"')
    second.replace("Cargo.toml", 'name = "_native"', 'name = "_second"')
    second.replace("pyproject.toml", "every_input._native", "every_input._second")
    second.replace("python/every_input/__init__.py", "_native", "_second")
    member = '"bindings/python"'
    project.replace("../../Cargo.toml", member, f'{member}, "bindings/second"')
    return second


@pytest.mark.parametrize("extra_inputs", [0, 1, 2])
def test_two_members_and_what_they_share(extra_inputs: int, uncompiled: Project) -> None:
    """Built in turn, they do not have each other's dependencies compiled again, however many of
    them have `extra-inputs`."""
    first = uncompiled
    second = add_a_second_member(first)
    for project in (second, first)[:extra_inputs]:
        project.settings('extra-inputs = ["assets/undeclared.txt"]')
    asking.anew(first)
    second.build("editable")
    second.build("editable")
    for number in range(3):
        for project in (first, second):
            project.append("src/lib.rs", f"// {number}\n")
            first.spy.clear()
            run, _ = project.build("editable")
            compiled = first.spy.compiled()
            assert "helper" not in compiled, (number, project.root.name, run.verdict, compiled)


def test_a_library_and_a_program_of_one_name(uncompiled: Project) -> None:
    """Cargo compiles the one package each time, and nothing else."""
    project = uncompiled
    project.replace("Cargo.toml", 'name = "_native"', 'name = "every_input"')
    project.write("src/main.rs", "fn main() {}\n")
    project.run("cargo", "build", "--release").ok()
    asking.anew(project)
    for number in range(2):
        project.write("assets/text.txt", f"another text {number}\n")
        built = asking.build(project)
        assert project.spy.compiled() == {"every-input"}, built.verdict
