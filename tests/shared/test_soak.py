"""Many readers and writers at once, for a while, with a server that is killed in between.

`WHEELPRINT_TEST_SOAK` sets the seconds. What was fetched is always a whole published wheel. An
answer always comes in time. What was published is there at the end.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import os
import random
import shutil
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Callable

import pytest
from support import servers, shared_program
from support.shared_program import Session
from support.team import Team, shows, sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import CheckOut
    from support.servers import Server

pytestmark = pytest.mark.spy

SECONDS = float(os.environ.get("WHEELPRINT_TEST_SOAK", "60"))
READERS, WRITERS = 16, 4
#: The deadline of a request, and what a busy machine may add to it.
TOTAL, MARGIN = 5.0, 15.0
#: How often the server is killed, and how long it is away then.
KILLS, AWAY = 2, 3.0
#: Two kinds of records for each wheel, so that the records of a request fit into one answer.
REQUESTS, WHEELS, KINDS = 6, 6, 2


@pytest.fixture(scope="module", params=["nginx", "ceph"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    yield from servers.KINDS[request.param](tmp_path_factory.mktemp("server"))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Soak:
    """What all threads share."""

    def __init__(self, dist: Path, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.url = f"{server.url}/soak"
        self.program = shared_program.unpack(dist, folder)
        self.key = folder / "key"
        self.public = shared_program.make_key(self.program, self.key)
        self.requests = [digest(b"request %d" % number) for number in range(REQUESTS)]
        self.wheels: dict[str, bytes] = {}
        for number in range(WHEELS):
            content = random.randbytes(300_000 + number)
            self.wheels[digest(content)] = content
            (folder / digest(content)).write_bytes(content)
        self.counted: collections.Counter[str] = collections.Counter()
        self.bad: list[str] = []
        #: The ids of the records that are in the list of a request.
        self.published: dict[str, set[str]] = {request: set() for request in self.requests}
        self.slowest = 0.0
        self.lock = threading.Lock()
        self.end = time.monotonic() + SECONDS

    def goes_on(self) -> bool:
        return time.monotonic() < self.end

    def count(self, what: str) -> None:
        with self.lock:
            self.counted[what] += 1

    @contextlib.contextmanager
    def session(self, env: dict[str, str], name: str) -> Iterator[Session]:
        keep = self.folder / f"keep-{name}"
        keep.mkdir()
        session = Session(self.program, env, self.url, self.public, total=TOTAL, keep=keep)
        yield session
        session.end()
        with self.lock:
            self.slowest = max(self.slowest, session.slowest)

    def write(self, name: str) -> None:
        env = {**self.server.writer, "WHEELPRINT_SHARED_KEY_FILE": str(self.key)}
        with self.session(env, name) as session:
            while self.goes_on():
                request = random.choice(self.requests)
                sha256 = random.choice(list(self.wheels))
                answer = session.publish(
                    request, self.payload(request, sha256), self.folder / sha256
                )
                if "published" not in answer:
                    self.failed("publish", answer)
                    continue
                self.count(f"published, list {answer['published']['list']}")
                if answer["published"]["list"] == "written":
                    with self.lock:
                        self.published[request].add(answer["published"]["record"])

    def payload(self, request: str, sha256: str) -> dict[str, Any]:
        wheel = {
            "sha256": sha256,
            "size": len(self.wheels[sha256]),
            "file_name": "a-1-py3-none-any.whl",
        }
        kind = random.randrange(KINDS)
        return {"version": 1, "request": request, "wheel": wheel, "kind": kind}

    def read(self, name: str) -> None:
        with self.session(self.server.reader, name) as session:
            while self.goes_on():
                answer = session.find(random.choice(self.requests))
                if "found" not in answer:
                    self.failed("find", answer)
                    continue
                self.count("found")
                # A record that was not whole would be refused.
                if answer["found"]["refused"]:
                    self.bad.append(f"refused: {answer}")
                records = answer["found"]["records"]
                for record in random.sample(records, min(2, len(records))):
                    self.fetch(session, record["payload"]["wheel"], self.folder / f"got-{name}")

    def fetch(self, session: Session, wheel: dict[str, Any], to: Path) -> bool:
        answer = session.fetch(wheel["sha256"], wheel["size"], to)
        if "fetched" in answer:
            self.count("fetched")
            if to.read_bytes() != self.wheels[wheel["sha256"]]:
                self.bad.append(f"wrong content: {wheel}")
            to.unlink()
            return True
        if to.exists():
            self.bad.append(f"a file is left: {answer}")
            to.unlink()
        self.failed("fetch", answer)
        return False

    def failed(self, what: str, answer: dict[str, Any]) -> None:
        """Only a server that is away is an excuse. A record's wheel is there before the record."""
        if "failed" in answer and answer["failed"]["kind"] in ("connect", "server", "timeout"):
            self.count(f"{what}: {answer['failed']['kind']}")
            time.sleep(0.2)
        else:
            self.bad.append(f"{what}: {answer}")

    def start(self, function: Callable[[str], object], name: str) -> threading.Thread:
        def run() -> None:
            try:
                function(name)
            except BaseException:
                self.bad.append(traceback.format_exc())

        thread = threading.Thread(target=run, name=name)
        thread.start()
        return thread

    def kill_now_and_then(self, _name: str) -> None:
        for _ in range(KILLS):
            time.sleep(SECONDS / (KILLS + 1))
            self.server.stop()
            time.sleep(AWAY)
            self.server.start()
            self.count("killed")


def test_readers_and_writers_at_once(
    server: Server, dist: Path, check_out: CheckOut, tmp_path: Path
) -> None:
    team = Team(check_out("pure"), server)
    team.publish()
    machine = team.reader(rust=True)
    # It compiles while the server is away, beside twenty busy programs.
    machine.seconds = 900
    soak = Soak(dist, tmp_path, server)
    threads = [soak.start(soak.write, f"writer-{number}") for number in range(WRITERS)]
    threads += [soak.start(soak.read, f"reader-{number}") for number in range(READERS)]
    threads.append(soak.start(soak.kill_now_and_then, "killer"))
    while soak.goes_on():
        shutil.rmtree(machine.cache, ignore_errors=True)
        said = sync(machine, "--reinstall-package", "pure").output
        soak.count(
            "uv sync: fetched" if "wheelprint: fetched from" in said else "uv sync: compiled"
        )
        assert shows(machine) == "42"
    for thread in threads:
        thread.join()
    print(f"{SECONDS:.0f} s, slowest answer {soak.slowest:.1f} s:", dict(soak.counted))
    assert not soak.bad, "\n".join(soak.bad[:20])
    assert soak.slowest < TOTAL + MARGIN
    assert soak.counted["killed"] == KILLS
    assert soak.counted["fetched"]
    assert any(soak.published.values())
    finds_all(soak, exact=team.url.startswith("s3://"))


def finds_all(soak: Soak, *, exact: bool) -> None:
    """All that was published can be found and fetched.

    A plain web server has no conditional PUT, so a writer can lose another one's line of a list."""
    with soak.session(soak.server.reader, "last") as session:
        for request, ids in soak.published.items():
            found = session.find(request)["found"]
            records = {record["id"]: record["payload"]["wheel"] for record in found["records"]}
            assert not found["refused"]
            assert ids <= set(records) or not exact
            for wheel in records.values():
                assert soak.fetch(session, wheel, soak.folder / "got-last")
