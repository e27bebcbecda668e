"""A store in a folder that several machines share: what is published by one serves the others, and
nothing else does."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest
from support import background, machines, packages
from support.machines import FolderTeam

if TYPE_CHECKING:
    from conftest import CheckOut

pytestmark = pytest.mark.spy

FETCHED = "wheelprint: fetched from file://"
MACRO = """#[proc_macro]
pub fn seven(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    "7".parse().unwrap()
}
"""


@pytest.fixture
def team(check_out: CheckOut) -> FolderTeam:
    return FolderTeam(check_out("pure"))


def test_a_machine_without_rust_gets_the_build_of_another(team: FolderTeam) -> None:
    team.publish()
    reader = team.reader()
    editable, said = machines.synced(reader)
    assert FETCHED in said
    assert editable.imports().shows == "42"
    assert editable.imports().run.stderr == ""
    assert "maturin" not in [path.name for path in reader.root.glob("*")]
    # From now on it is this machine's own.
    shutil.rmtree(reader.root / ".venv")
    shutil.rmtree(team.store)
    editable, said = machines.synced(reader, "--reinstall-package", "pure")
    assert "fresh: " in said, said
    assert editable.imports().shows == "42"


def test_a_wheel_of_another_machine_is_verified(team: FolderTeam) -> None:
    team.builder.append("pyproject.toml", '[tool.wheelprint]\nreuse = "always"\n')
    team.builder.env["WHEELPRINT_SHARED"] = "write"
    team.builder.uv("build", "--wheel", "-v").ok()
    background.wait_for(lambda: machines.has_published(team.builder))
    reader = team.reader()
    said = reader.uv("build", "--wheel", "-v").ok().output
    assert FETCHED in said
    (wheel,) = reader.path("dist").glob("*.whl")
    said = machines.wheelprint(reader, "verify", wheel).ok().output
    assert "verified" in said
    reader.edit()
    machines.wheelprint(reader, "verify", wheel).failed()


def test_an_edit_compiles(team: FolderTeam) -> None:
    team.publish()
    reader = team.reader(rust=True)
    machines.synced(reader)
    reader.edit()
    editable, said = machines.synced(reader)
    assert FETCHED not in said
    assert editable.imports().shows == "43"


def test_other_sources_are_not_served(team: FolderTeam) -> None:
    team.publish()
    reader = team.reader(rust=True)
    reader.edit()
    editable, said = machines.synced(reader)
    assert "has no build of these inputs" not in said or "stale" in said
    assert editable.imports().shows == "43"


def test_a_vendored_macro(team: FolderTeam) -> None:
    """Cargo.lock pins vendored sources, so a build with them serves other machines."""
    project = team.builder
    packages.vendor_everything(project)
    folder = packages.add_vendored(project, "vend", "1.0.0", MACRO)
    project.append(f"{folder}/Cargo.toml", "[lib]\nproc-macro = true\n")
    packages.depend_on(project, 'vend = "1.0.0"')
    packages.answer(project, "vend::seven!()")
    # Without it, messages of panics in pyo3 name the folder of the vendored sources.
    settings = '[tool.wheelprint]\nreuse = "always"\nremap-paths = true\n'
    project.append("pyproject.toml", settings)
    project.env["WHEELPRINT_SHARED"] = "write"
    project.uv("build", "--wheel", "-v").ok()
    background.wait_for(lambda: machines.has_published(project))
    said = team.reader().uv("build", "--wheel", "-v").ok().output
    assert FETCHED in said, said


def test_nothing_published_names_this_machine(team: FolderTeam) -> None:
    team.builder.env["SECRET_FLAG"] = "hunter2"
    team.builder.write(
        "build.rs", 'fn main() { println!("cargo:rerun-if-env-changed=SECRET_FLAG"); }'
    )
    team.publish()
    (record,) = team.objects("records")
    (wheel,) = team.objects("wheels")
    root = str(team.builder.root)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith(".so"):
                assert root.encode() not in archive.read(name), name
        assert not any(name.endswith("wheelprint.json") for name in archive.namelist())
    payload = base64.b64decode(json.loads(record.read_text())["payload"]).decode()
    assert root not in payload
    assert "SECRET_FLAG" in payload
    assert hashlib.sha256(b"hunter2").hexdigest() not in payload


def test_the_commands(team: FolderTeam) -> None:
    said = machines.wheelprint(team.builder, "shared", "status").ok().stdout
    assert team.store.as_uri() in said
    team.publish()
    reader = team.reader()
    pull = machines.wheelprint(reader, "shared", "pull").ok()
    assert "fetched from file://" in pull.output
    assert "is here" in machines.wheelprint(reader, "shared", "pull").ok().output
    status = json.loads(machines.wheelprint(reader, "shared", "status", "--json").ok().stdout)
    assert (status["hits"], status["misses"]) == (1, 0)
    assert "1 build" in machines.wheelprint(reader, "shared", "list").ok().stdout
    reader.edit()
    assert machines.wheelprint(reader, "shared", "pull").code == 1


def test_a_damaged_or_missing_wheel_is_a_miss(team: FolderTeam) -> None:
    team.publish()
    (wheel,) = team.objects("wheels")
    content = wheel.read_bytes()
    for number, change in enumerate(("removed", "truncated", "flipped")):
        wheel.unlink(missing_ok=True)
        if change == "truncated":
            wheel.write_bytes(content[:-1])
        elif change == "flipped":
            wheel.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        reader = team.reader(f"reader-{number}", rust=True)
        editable, said = machines.synced(reader)
        assert FETCHED not in said
        assert "is not asked" not in said
        assert editable.imports().shows == "42"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".cargo/config.toml", '[build]\nrustflags = ["-C", "target-cpu=native"]\n'),
        ("../.cargo/config.toml", '[env]\nCFLAGS = "-march=native"\n'),
    ],
)
def test_code_for_this_processor_alone_is_not_published(
    path: str, text: str, team: FolderTeam
) -> None:
    team.builder.path(path).parent.mkdir()
    team.builder.write(path, text)
    team.builder.env["WHEELPRINT_SHARED"] = "write"
    said = team.builder.uv("sync", "-v").ok().output
    assert "compiles for this machine alone" in said
    machines.wheelprint(team.builder, "shared", "push").failed()
    assert not team.objects("records")


#: The crate `cc` tells cargo of this variable, among others.
COMPILES_C = 'fn main() { println!("cargo:rerun-if-env-changed=CC"); }'


def test_another_c_compiler_has_no_use_for_compiled_c(team: FolderTeam) -> None:
    team.builder.write("build.rs", COMPILES_C)
    team.publish()
    reader = team.reader("with-another")
    compilers = [team.folder / "bin" / name for name in ("cc", "c++")]
    compilers[0].parent.mkdir()
    for compiler in compilers:
        compiler.write_text("#!/bin/sh\necho 'cc (Another) 99.1'\n")
        compiler.chmod(0o755)
    reader.env["PATH"] = f"{compilers[0].parent}{os.pathsep}{reader.env['PATH']}"
    said = machines.wheelprint(reader, "shared", "pull")
    assert said.code == 1
    assert "this machine has `cc (Another) 99.1`" in said.output
    # A machine without one is like a machine whose compiler does not answer.
    for compiler in compilers:
        compiler.write_text("#!/bin/sh\nexit 1\n")
    assert "fetched from" in machines.wheelprint(reader, "shared", "pull").ok().output
