"""Servers that are set up wrongly, slow, broken or hostile.

Each build goes on, and one line says why the server is not used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import bad_servers, installed, machines, servers, shared_program
from support.shared_program import Session
from support.team import Team, shows, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import CheckOut
    from support.project import Project, Run
    from support.servers import Server

pytestmark = pytest.mark.spy

FETCHED = "wheelprint: fetched from "
OFF = "it is not asked for 5 minutes, and the build goes on"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from servers.nginx(tmp_path_factory.mktemp("nginx"))


@pytest.fixture
def team(nginx: Server, check_out: CheckOut) -> Team:
    """A team that published a build to a good server."""
    team = Team(check_out("pure"), nginx)
    team.publish()
    return team


def reader(team: Team, url: str, *, timeout: int = 60) -> Project:
    """A machine with Rust that reads the team's store through another server."""
    machine = team.reader(rust=True)
    path = team.url.split("/", 3)[3]
    machine.env["WHEELPRINT_SHARED_URL"] = f"{url}/{path}"
    table = "[tool.wheelprint.shared]\n"
    machine.replace("pyproject.toml", table, f"{table}timeout = {timeout}\n")
    return machine


def goes_on(machine: Project) -> str:
    """Runs `uv sync`, which must compile the module and say one line. Gives that line."""
    machine.spy.clear()
    run = sync(machine)
    assert FETCHED not in run.output
    assert shows(machine) == "42"
    return the_line(run)


def the_line(run: Run) -> str:
    for word in ("Traceback", "panicked"):
        assert word not in run.output, run.output
    lines = [line for line in run.output.splitlines() if OFF in line]
    assert len(lines) == 1, run.output
    return lines[0]


def root(team: Team) -> Path:
    """The folder of the good server's objects."""
    assert team.server.objects is not None
    return team.server.objects.parent


def wheels(team: Team) -> list[Path]:
    return sorted((team.records()[0].parent.parent / "wheels").iterdir())


def test_a_certificate_of_an_unknown_authority_is_refused(team: Team) -> None:
    folder = team.folder / "front"
    bad_servers.certificates(folder)
    with bad_servers.nginx(folder, root(team), bad_servers.TLS) as url:
        assert "no connection to 127.0.0.1:" in (line := goes_on(reader(team, url)))
    assert "certificate" in line


def test_an_authority_in_ssl_cert_file_is_trusted(team: Team) -> None:
    folder = team.folder / "front"
    authority = bad_servers.certificates(folder)
    with bad_servers.nginx(folder, root(team), bad_servers.TLS) as url:
        machine = reader(team, url)
        machine.env["SSL_CERT_FILE"] = str(authority)
        assert f"{FETCHED}{url}" in sync(machine).output


def test_403_for_everything(team: Team) -> None:
    with bad_servers.nginx(team.folder / "front", root(team), "return 403;") as url:
        line = goes_on(reader(team, url))
    assert "the server answered 403; check the credentials and their rights" in line


def test_a_wheel_that_is_too_large_for_the_server(team: Team) -> None:
    settings = "client_max_body_size 2k; location / { dav_methods PUT; create_full_put_path on; }"
    empty = team.folder / "empty"
    empty.mkdir()
    empty.chmod(0o777)
    with bad_servers.nginx(team.folder / "front", empty, settings) as url:
        writer = reader(team, url)
        writer.env.update(WHEELPRINT_SHARED="write", WHEELPRINT_SHARED_KEY_FILE=str(team.key))
        assert installed.synced(writer).imports().shows == "42"
        pushed = machines.wheelprint(writer, "shared", "push").failed()
    assert pushed.code == 2
    assert "the server answered 413; raise the server's limit for bodies" in pushed.output
    assert "Traceback" not in pushed.output
    assert not list(empty.rglob("records/*"))


def test_a_wheel_that_comes_too_slowly(team: Team) -> None:
    settings = "location ~ /wheels/ { limit_rate 100; }"
    with bad_servers.nginx(team.folder / "front", root(team), settings) as url:
        assert "no complete answer within 2s" in goes_on(reader(team, url, timeout=2))


def test_a_connection_that_is_always_cut_in_the_middle_of_a_wheel(team: Team) -> None:
    with bad_servers.cutting(team.server, 500, times=1000) as (url, cut):
        assert "the connection broke" in goes_on(reader(team, url))
    assert 1 <= len(cut) <= 8


def test_a_connection_that_is_cut_once(team: Team) -> None:
    """The rest is asked for, and the whole has the right digest."""
    after = wheels(team)[0].stat().st_size // 2
    with bad_servers.cutting(team.server, after, times=1) as (url, cut):
        machine = reader(team, url)
        assert f"{FETCHED}{url}" in sync(machine).output
    assert len(cut) == 1
    assert shows(machine) == "42"


def test_a_server_that_never_answers(team: Team) -> None:
    with bad_servers.silent() as url:
        assert "no complete answer within 2s" in goes_on(reader(team, url, timeout=2))


@pytest.mark.parametrize("kind", ["lists", "records"])
def test_an_answer_without_an_end(team: Team, kind: str) -> None:
    """No more of it is read than the largest object has."""
    with bad_servers.endless(kind) as (url, sent):
        machine = reader(team, url, timeout=10)
        run = sync(machine)
    assert FETCHED not in run.output
    assert "Traceback" not in run.output
    assert "panicked" not in run.output
    assert run.output.count(OFF) <= 1
    assert shows(machine) == "42"
    assert sent
    assert sum(sent) < 200 << 20


def test_a_redirection_to_another_host_gets_no_password(team: Team) -> None:
    with bad_servers.elsewhere(root(team)) as (url, seen):
        machine = reader(team, url)
        assert machine.env["WHEELPRINT_SHARED_HTTP_PASSWORD"]
        sync(machine)
    assert shows(machine) == "42"
    assert not seen


#: A secret of each kind of store, where a request has it.
SECRETS = {
    "s3": {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_SESSION_TOKEN": "a-secret",
        "AWS_REGION": "any",
        "AWS_ALLOW_HTTP": "true",
    },
    "az": {
        "AZURE_STORAGE_ACCOUNT_NAME": "a",
        "AZURE_STORAGE_SAS_KEY": "sv=2018-11-09&sig=a-secret",
        "AZURE_ALLOW_HTTP": "true",
    },
    "http": {"WHEELPRINT_SHARED_HTTP_TOKEN": "a-secret"},
}


@pytest.mark.parametrize("scheme", ["s3", "az", "http"])
def test_a_redirection_to_another_host_is_not_followed(
    dist: Path, tmp_path: Path, scheme: str
) -> None:
    """A header or a URL of the first request could carry a secret there."""
    program = shared_program.unpack(dist, tmp_path)
    public = shared_program.make_key(program, tmp_path / "key")
    with bad_servers.elsewhere(tmp_path) as (url, seen):
        endpoints = {"AWS_ENDPOINT_URL": url, "AZURE_STORAGE_ENDPOINT": url}
        store = f"{url}/store" if scheme == "http" else f"{scheme}://bucket/store"
        env = {**endpoints, **SECRETS[scheme]}
        session = Session(program, env, store, public, total=10, keep=tmp_path / "keep")
        answer = session.find("0" * 64)
        session.end()
    assert "the server answered 307; it leads elsewhere" in answer["failed"]["cause"]
    assert not seen
