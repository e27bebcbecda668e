"""Real servers: what a trusted key has signed is served, and nothing of anybody else ever runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support import installed, machines, servers
from support.team import Team, shows, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import CheckOut
    from support.servers import Server

pytestmark = pytest.mark.spy

FETCHED = "wheelprint: fetched from "


@pytest.fixture(scope="module", params=list(servers.KINDS))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    yield from servers.KINDS[request.param](tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from servers.google(tmp_path_factory.mktemp("google"))


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from servers.nginx(tmp_path_factory.mktemp("nginx"))


def test_a_signed_build_is_served(server: Server, check_out: CheckOut) -> None:
    team = Team(check_out("pure"), server)
    team.publish()
    reader = team.reader()
    assert FETCHED in sync(reader).output
    assert shows(reader) == "42"
    status = machines.wheelprint(reader, "shared", "status", "--json").ok().stdout
    assert json.loads(status)["hits"] == 1


def test_a_build_is_read_from_google(google: Server, nginx: Server, check_out: CheckOut) -> None:
    """The emulator has another way to upload, so the objects of nginx are copied to it."""
    team = Team(check_out("pure"), nginx)
    team.publish()
    reader = team.reader()
    assert nginx.objects is not None
    objects = nginx.objects / team.url.rsplit("/", 1)[1]
    for path in objects.glob("*/*"):
        name = path.relative_to(objects).as_posix()
        servers.put_into_google(google, f"team/{name}", path.read_bytes())
    reader.env = servers.environment_without_credentials(reader.env)
    reader.env.update(google.reader, WHEELPRINT_SHARED_URL=google.url)
    assert f"{FETCHED}gs://cache/team" in sync(reader).output
    assert shows(reader) == "42"


def test_a_server_that_refuses_to_be_written_to_fails_no_build(
    google: Server, check_out: CheckOut
) -> None:
    team = Team(check_out("pure"), google)
    writer = team.reader("writer", rust=True)
    writer.env.update(WHEELPRINT_SHARED="write", WHEELPRINT_SHARED_KEY_FILE=str(team.key))
    assert installed.synced(writer).imports().shows == "42"
    said = machines.wheelprint(writer, "shared", "push").failed().output
    assert "/wheels: the server answered 400" in said
    assert "is not published" in said


def test_who_may_only_read_publishes_nothing(server: Server, check_out: CheckOut) -> None:
    team = Team(check_out("pure"), server)
    key = team.folder / "own"
    team.make_key("own")
    writer = team.reader("writer", rust=True)
    writer.env.update(WHEELPRINT_SHARED="write", WHEELPRINT_SHARED_KEY_FILE=str(key))
    installed.synced(writer)
    said = machines.wheelprint(writer, "shared", "push").failed()
    assert "is not published" in said.output
    reader = team.reader(rust=True)
    assert FETCHED not in sync(reader).output


def test_an_unknown_key_is_a_miss(nginx: Server, check_out: CheckOut) -> None:
    team = Team(check_out("pure"), nginx)
    team.publish(team.folder / "stranger", team.make_key("stranger"))
    reader = team.reader(rust=True)
    said = sync(reader).output
    assert FETCHED not in said
    assert "which is not among the trusted keys" in said
    assert shows(reader) == "42"


def test_a_withdrawn_key_is_a_miss_though_its_records_are_kept(
    nginx: Server, check_out: CheckOut
) -> None:
    team = Team(check_out("pure"), nginx)
    team.publish()
    reader = team.reader(rust=True)
    assert FETCHED in sync(reader).output
    other = team.make_key("other")
    reader.replace("pyproject.toml", team.public, other)
    for entry in reader.cache.glob("projects/*/entries/*"):
        entry.unlink()
    said = sync(reader, "--reinstall-package", "pure").output
    assert FETCHED not in said
    assert shows(reader) == "42"


def test_a_tampered_record_is_a_miss(nginx: Server, check_out: CheckOut) -> None:
    team = Team(check_out("pure"), nginx)
    team.publish()
    for path in team.records():
        path.write_bytes(path.read_bytes().replace(b'"sig":"', b'"sig":"AAAA', 1))
    reader = team.reader(rust=True)
    assert FETCHED not in sync(reader).output
    assert shows(reader) == "42"


def test_a_dead_server_fails_no_build_and_is_asked_once(nginx: Server, check_out: CheckOut) -> None:
    team = Team(check_out("pure"), nginx)
    reader = team.reader(rust=True)
    nginx.stop()
    try:
        said = sync(reader).output
        assert "it is not asked for 5 minutes" in said
        assert shows(reader) == "42"
        # An edit by hand would not ask.
        reader.env["RUSTFLAGS"] = "--cfg other"
        said = sync(reader, "--reinstall-package", "pure").output
        assert "stale: RUSTFLAGS" in said
        assert "it is not asked for 5 minutes" not in said
        status = machines.wheelprint(reader, "shared", "status").ok().stdout
        assert "off" in status
    finally:
        nginx.start()


def test_each_tree_trusts_for_itself(nginx: Server, check_out: CheckOut) -> None:
    """The trees of a machine share its store. A tree must not get what only another one trusts."""
    team = Team(check_out("pure"), nginx)
    stranger = team.make_key("stranger")
    team.publish(team.folder / "stranger", stranger)
    machine = team.reader(rust=True)
    branch = machines.another(team.builder, made(team.folder / "branch"), rust=True)
    branch.env = dict(machine.env)
    branch.replace("pyproject.toml", team.public, stranger)
    assert "fetched from" in machines.wheelprint(branch, "shared", "pull").ok().output
    said = sync(machine).output
    assert "wheelprint: fresh: " not in said
    assert "wheelprint: stale: no earlier build" in said


def test_a_store_that_is_off_has_no_fetched_builds(nginx: Server, check_out: CheckOut) -> None:
    team = Team(check_out("pure"), nginx)
    team.publish()
    reader = team.reader(rust=True)
    assert "fetched from" in machines.wheelprint(reader, "shared", "pull").ok().output
    said = reader.uv("sync", "-v", WHEELPRINT_SHARED="off").ok().output
    assert "wheelprint: stale: no earlier build" in said


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


SEES = """fn main() {
    for name in ["WHEELPRINT_SHARED_KEY_FILE", "WHEELPRINT_SHARED_HTTP_PASSWORD"] {
        assert!(std::env::var_os(name).is_none(), "{name} is visible");
    }
}
"""


def test_no_build_script_sees_a_key(nginx: Server, check_out: CheckOut) -> None:
    team = Team(check_out("pure"), nginx)
    team.builder.write("build.rs", SEES)
    team.publish()
    assert team.records()
