"""How a build is found among many, and what is said if none fits."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from support import machines, schemas
from support.machines import FolderTeam

if TYPE_CHECKING:
    from conftest import CheckOut
    from support.project import Project

pytestmark = pytest.mark.spy

FETCHED = "wheelprint: fetched from file://"
#: More than a list's builds that are compared.
MANY = 18


@pytest.fixture
def team(check_out: CheckOut) -> FolderTeam:
    return FolderTeam(check_out("pure"))


def status(project: Project) -> dict[str, object]:
    said = machines.wheelprint(project, "shared", "status", "--json").ok().stdout
    schemas.check("shared-status", json.loads(said))
    return json.loads(said)  # type: ignore[no-any-return]


def requested(project: Project) -> list[str]:
    return project.hook("get_requires_for_build_editable").ok().result  # type: ignore[no-any-return]


def test_an_older_build_of_the_same_sources_is_found(team: FolderTeam) -> None:
    team.publish()
    # Others publish builds of other sources meanwhile. Ours is no longer among the recent ones.
    recent = max(team.objects("lists"), key=lambda path: path.stat().st_mtime_ns)
    (ours,) = recent.read_text().split()
    recent.write_text("".join(f"{number:064x}\n" for number in range(MANY)) + f"{ours}\n")
    _, said = machines.synced(team.reader())
    assert FETCHED in said


def test_a_build_is_found_although_sources_that_do_not_count_differ(team: FolderTeam) -> None:
    team.publish()
    reader = team.reader()
    reader.write("tests/of_rust.rs", "fn main() {}\n")
    editable, said = machines.synced(reader)
    assert FETCHED in said
    assert editable.imports().shows == "42"


def test_a_miss_has_a_reason(team: FolderTeam) -> None:
    reader = team.reader("first", rust=True)
    _, said = machines.synced(reader)
    assert "nothing is published of this project for this interpreter" in said
    assert status(reader)["missed"] == {"nothing-published": 1}
    team.publish()
    reader = team.reader("second", rust=True)
    reader.edit()
    _, said = machines.synced(reader)
    assert "has no build of these inputs: src/answer.rs changed" in said
    found = status(reader)
    assert found["missed"] == {"other-inputs": 1}
    assert found["last-miss"] == "src/answer.rs changed"
    said = machines.wheelprint(reader, "shared", "status").ok().stdout
    assert "1 other-inputs" in said
    assert "src/answer.rs changed" in said


def test_a_command_says_more_if_asked(team: FolderTeam) -> None:
    team.publish()
    reader = team.reader(rust=True)
    reader.edit()
    said = machines.wheelprint(reader, "shared", "pull")
    assert (said.code, "published build" in said.output) == (1, False)
    said = machines.wheelprint(reader, "shared", "pull", "--verbose")
    assert "published build" in said.stderr


def test_a_job_of_a_pull_request_publishes_nothing(team: FolderTeam) -> None:
    job = {"WHEELPRINT_SHARED": "ci", "GITHUB_ACTIONS": "true", "GITHUB_REF_TYPE": "branch"}
    number = {"GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_JOB": "test"}
    team.builder.env.update({**job, **number})
    team.builder.env.update(GITHUB_EVENT_NAME="pull_request", GITHUB_REF_PROTECTED="false")
    machines.synced(team.builder)
    said = machines.wheelprint(team.builder, "shared", "push").ok().stdout
    assert "only a job that builds a protected branch may publish" in said
    refused = machines.wheelprint(team.builder, "shared", "gc", "--older-than", "0").failed()
    assert "builds are only read" in refused.output
    assert not team.objects("records")
    # What an earlier job left in the store is not published, even by a job that may.
    team.builder.env.update(GITHUB_EVENT_NAME="push", GITHUB_REF_PROTECTED="true")
    team.builder.env["GITHUB_RUN_ID"] = "2"
    said = machines.wheelprint(team.builder, "shared", "push").ok().stdout
    assert "this tree has made no build" in said
    assert not team.objects("records")
    team.builder.edit()
    machines.synced(team.builder, "--reinstall-package", "pure")
    said = machines.wheelprint(team.builder, "shared", "push").ok().stdout
    assert "pure-0.1.0" in said
    assert len(team.objects("records")) == 1


def test_a_release_does_not_read(team: FolderTeam) -> None:
    team.publish()
    reader = team.reader(rust=True)
    reader.env.update(WHEELPRINT_SHARED="ci", GITHUB_ACTIONS="true", GITHUB_REF_TYPE="tag")
    _, said = machines.synced(reader)
    assert FETCHED not in said
    assert "stale: no earlier build" in said


def test_the_program_is_requested_until_it_is_kept(team: FolderTeam) -> None:
    """A build then needs no index for it, and no time to install it."""
    team.builder.replace("pyproject.toml", "wheelprint[shared]", "wheelprint")
    first = requested(team.builder)
    assert [name for name in first if name.startswith("wheelprint-shared==")]
    team.publish()
    team.builder.edit()
    # Who publishes needs the installed one.
    assert "wheelprint-shared" in str(requested(team.builder))
    team.builder.env["WHEELPRINT_SHARED"] = "read"
    assert "wheelprint-shared" not in str(requested(team.builder))


def test_what_somebody_left_in_the_cache_folder_is_not_published(team: FolderTeam) -> None:
    """A build script could, in a job that may only read, of a folder that a later job has too."""
    team.publish()
    (out,) = team.builder.cache.glob("team/out/*")
    planted = out.with_name("planted")
    shutil.copytree(out, planted)
    for path in planted.glob("answers"):
        path.unlink()
    (out.parent / "lines").write_text('{"gc": {"before": "9999-01-01"}}\n')
    before = {kind: team.objects(kind) for kind in ("records", "wheels", "lists")}
    (planted / "lines").write_text(
        (planted / "lines").read_text().replace('"seconds":', '"seconds":1')
    )
    machines.wheelprint(team.builder, "shared", "push").ok()
    team.builder.edit()
    machines.synced(team.builder)
    machines.wheelprint(team.builder, "shared", "push").ok()
    assert set(before["records"]) < set(team.objects("records"))
    # The two builds of this tree, and nothing else.
    assert len(team.objects("records")) == 2


def test_the_kept_program_gets_no_key(team: FolderTeam) -> None:
    team.builder.replace("pyproject.toml", "wheelprint[shared]", "wheelprint")
    team.publish()
    (kept,) = team.builder.cache.glob("team/program-*")
    program = kept.read_bytes()
    seen = team.folder / "seen"
    kept.write_text(f"#!/bin/sh\nenv > {seen}\nexit 1\n")
    variables = {"WHEELPRINT_SHARED": "read", "WHEELPRINT_SHARED_KEY": "ed25519-secret:a"}
    team.builder.env.update(variables, WHEELPRINT_SHARED_HTTP_TOKEN="for-readers")
    # Of other inputs than sources the store is asked.
    team.builder.env["RUSTFLAGS"] = "--cfg one"
    said = machines.synced(team.builder, "--reinstall-package", "pure")[1]
    assert "it is not asked for 5 minutes" in said
    assert "for-readers" in seen.read_text()
    assert "ed25519-secret" not in seen.read_text()
    # What can't be run is not kept. A program whose server is away is.
    assert not kept.exists()
    kept.write_bytes(program)
    kept.chmod(0o755)
    away = {"WHEELPRINT_SHARED_URL": "http://127.0.0.1:9/x"}
    team.builder.env["RUSTFLAGS"] = "--cfg two"
    said = team.builder.uv("sync", "-v", "--reinstall-package", "pure", **away).ok().output
    assert "it is not asked for 5 minutes" in said
    assert kept.exists()


def test_a_header_that_the_build_script_does_not_name_counts(team: FolderTeam) -> None:
    """One machine has this hole as long as it has a target folder. No other must get it."""
    team.builder.write(
        "build.rs",
        'fn main() { println!("cargo:rerun-if-changed=c/a.c"); std::fs::read("c/a.h").unwrap(); }',
    )
    team.builder.write("c/a.c", "int a;\n")
    team.builder.write("c/a.h", "#define A 1\n")
    team.publish()
    same = team.reader("same")
    assert FETCHED in machines.synced(same)[1]
    other = team.reader("other", rust=True)
    other.write("c/a.h", "#define A 2\n")
    _, said = machines.synced(other)
    assert FETCHED not in said
    assert "files differ that a build script may read" in said


def test_a_build_from_before_the_store_was_set_up(team: FolderTeam) -> None:
    team.builder.env["WHEELPRINT_SHARED"] = "off"
    machines.synced(team.builder)
    team.builder.env["WHEELPRINT_SHARED"] = "write"
    assert "published pure" in machines.wheelprint(team.builder, "shared", "push").ok().stdout
    # What a build script has read is not known later.
    team.builder.write("build.rs", "fn main() {}")
    team.builder.env["WHEELPRINT_SHARED"] = "off"
    machines.synced(team.builder, "--reinstall-package", "pure")
    team.builder.env["WHEELPRINT_SHARED"] = "write"
    said = machines.wheelprint(team.builder, "shared", "push").failed().output
    assert "with WHEELPRINT_REUSE=never the next build is made anew" in said
    team.builder.env["WHEELPRINT_REUSE"] = "never"
    machines.synced(team.builder, "--reinstall-package", "pure")
    del team.builder.env["WHEELPRINT_REUSE"]
    machines.wheelprint(team.builder, "shared", "push").ok()
    assert len(team.objects("records")) == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CFLAGS", "-I/opt/include"), ("RUSTFLAGS", "-L native=/opt/lib")],
)
def test_paths_in_flags_are_not_published(variable: str, value: str, team: FolderTeam) -> None:
    team.builder.env.update({variable: value, "WHEELPRINT_SHARED": "write"})
    machines.synced(team.builder)
    said = machines.wheelprint(team.builder, "shared", "push").failed().output
    assert f"{variable} names /opt/" in said
    assert not team.objects("records")


def test_a_path_dependency_with_a_build_script_is_compared(check_out: CheckOut) -> None:
    team = FolderTeam(check_out("mixed-path-dep"))
    team.builder.write(
        "../shared-core/build.rs", 'fn main() { println!("cargo:rerun-if-changed=a"); }'
    )
    team.builder.write("../shared-core/a", "")
    team.builder.write("../shared-core/b.h", "one\n")
    own = f'requires-python = "=={sys.version_info[0]}.{sys.version_info[1]}.*"'
    team.builder.replace("pyproject.toml", 'requires-python = ">=3.9"', own)
    team.publish()
    assert "fetched from" in machines.wheelprint(team.reader("same"), "shared", "pull").ok().output
    other = team.reader("other")
    other.write("../shared-core/b.h", "two\n")
    said = machines.wheelprint(other, "shared", "pull")
    assert (said.code, "files differ that a build script" in said.output) == (1, True)


def test_a_key_file_may_be_named_from_the_project(team: FolderTeam) -> None:
    said = machines.wheelprint(team.builder, "shared", "keygen", team.builder.path("key"))
    team.builder.append("pyproject.toml", f'trusted-keys = ["{said.ok().stdout.strip()}"]\n')
    team.builder.env["WHEELPRINT_SHARED_KEY_FILE"] = "key"
    team.publish()
    assert len(team.objects("records")) == 1
    # Whose key is not trusted publishes nothing that others would look at in vain.
    machines.wheelprint(team.builder, "shared", "keygen", team.builder.path("other")).ok()
    team.builder.env["WHEELPRINT_SHARED_KEY_FILE"] = "other"
    team.builder.edit()
    machines.synced(team.builder)
    said = machines.wheelprint(team.builder, "shared", "push").failed().output
    assert "is not among the trusted keys" in said
    assert len(team.objects("records")) == 1


def test_a_wheel_that_a_younger_build_names_is_not_removed(team: FolderTeam) -> None:
    team.publish()
    said = machines.wheelprint(team.builder, "shared", "gc", "--older-than", "1").ok().stdout
    assert "Removed 0 builds" in said
    (wheel,) = team.objects("wheels")
    machines.age(wheel, days=3)
    machines.wheelprint(team.builder, "shared", "gc", "--older-than", "1").ok()
    assert FETCHED in machines.synced(team.reader())[1]
    for path in [*team.objects("wheels"), *team.objects("records"), *team.objects("lists")]:
        machines.age(path, days=3)
    said = machines.wheelprint(team.builder, "shared", "gc", "--older-than", "1").ok().stdout
    assert "Removed 1 build, 1 wheel" in said
    assert not [*team.objects("wheels"), *team.objects("records"), *team.objects("lists")]
