"""How many requests a server gets. docs/shared-store.md adds up what they cost."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support import background, installed, machines, servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import CheckOut
    from support.servers import Server

pytestmark = pytest.mark.spy


@pytest.fixture
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from servers.KINDS["nginx"](tmp_path_factory.mktemp("nginx"))


def asked(nginx: Server) -> Counter[str]:
    """The requests since the last call, by method, kind of object and status."""
    assert nginx.objects is not None
    log = nginx.objects.parents[1] / "access.log"
    text = log.read_text()
    log.write_text("")
    lines = re.findall(r'"([A-Z]+) /team/(\w+)/\S* HTTP/1.1" (\d+)', text)
    return Counter(" ".join(line) for line in lines if line[2] != "401")


def test_what_a_build_asks(nginx: Server, check_out: CheckOut) -> None:
    builder = check_out("pure")
    folder = machines.folder_of(builder)
    key = folder / "key"
    public = machines.wheelprint(builder, "shared", "keygen", key).ok().stdout.strip()
    machines.shares(builder, nginx.url, f'trusted-keys = ["{public}"]')
    writes = {**nginx.writer, "WHEELPRINT_SHARED_KEY_FILE": str(key), "WHEELPRINT_SHARED": "write"}
    builder.env.update(writes)
    installed.synced(builder)
    background.wait_for(lambda: machines.has_published(builder))
    # The build asked before it compiled. The second list is only read if the first has no answer.
    both = Counter({"GET lists 404": 2})
    wheel = Counter({"HEAD wheels 404": 1, "PUT wheels 201": 1})
    record = Counter({"HEAD records 404": 1, "PUT records 201": 1})
    # nginx writes without conditions, so the program looks whether another writer was faster.
    lists = Counter({"GET lists 404": 2, "PUT lists 201": 2, "GET lists 200": 2})
    assert asked(nginx) == both + wheel + record + lists

    # What is published is there: nothing is sent again, and no record is added.
    said = machines.wheelprint(builder, "shared", "push").ok().stdout
    assert "was there already" in said
    looked = {"HEAD wheels 200": 1, "HEAD records 200": 1, "GET lists 200": 2}
    assert asked(nginx) == Counter(looked)

    for name in ("one", "other"):
        (folder / name).mkdir()
    reader = machines.another(builder, folder / "one", rust=False)
    reader.env = {**servers.environment_without_credentials(reader.env), **nginx.reader}
    _, said = machines.synced(reader)
    assert "fetched from" in said
    hit = {"GET lists 200": 1, "GET records 200": 1, "GET wheels 200": 1}
    assert asked(nginx) == Counter(hit)
    # From now on it is this machine's own.
    machines.synced(reader, "--reinstall-package", "pure")
    assert asked(nginx) == Counter()

    edited = machines.another(builder, folder / "other", rust=True)
    edited.env = {**servers.environment_without_credentials(edited.env), **nginx.reader}
    edited.edit()
    installed.synced(edited)
    assert asked(nginx) == Counter({"GET lists 404": 1, "GET lists 200": 1, "GET records 200": 1})
    # An edit by hand is built without asking.
    edited.replace(edited.sample.source, "43", "44")
    installed.synced(edited)
    assert asked(nginx) == Counter()
