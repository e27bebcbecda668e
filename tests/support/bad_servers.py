"""Servers that are set up wrongly, slow, broken or hostile.

Each one serves or stands before a folder of objects that a good nginx filled.
"""

from __future__ import annotations

import contextlib
import http.server
import shutil
import socket
import socketserver
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from .servers import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}{tls};
    root {root};
    {settings}
  }}
}}
"""
#: nginx's settings for a certificate in its folder.
TLS = "ssl_certificate {folder}/leaf.pem; ssl_certificate_key {folder}/leaf.key;"


@contextlib.contextmanager
def nginx(folder: Path, root: Path, settings: str) -> Iterator[str]:
    """Another nginx for the same files. Gives its URL."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("needs nginx-light")
    folder.mkdir(exist_ok=True)
    port = free_port()
    tls = "ssl_certificate" in settings
    settings = settings.replace("{folder}", str(folder))
    text = _NGINX.format(
        folder=folder, port=port, tls=" ssl" if tls else "", root=root, settings=settings
    )
    config = folder / "nginx.conf"
    config.write_text(text)
    url = f"http{'s' if tls else ''}://127.0.0.1:{port}"
    command = [program, "-p", str(folder), "-c", str(config)]
    server = Server(url, {}, {}, command=command, address=("127.0.0.1", port))
    server.start()
    try:
        yield url
    finally:
        server.stop()


def certificates(folder: Path) -> Path:
    """Makes an authority, and a certificate of it for 127.0.0.1. Gives the authority's file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder.mkdir(exist_ok=True)
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    new = ("req", "-x509", *key, "-days", "2", "-subj", "/CN=an unknown authority")
    ask = ("req", *key, "-subj", "/CN=127.0.0.1")
    sign = ("x509", "-req", "-days", "2", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    for command in (
        (*new, "-keyout", "ca.key", "-out", "ca.pem"),
        (*ask, "-keyout", "leaf.key", "-out", "leaf.csr"),
        (*sign, "-in", "leaf.csr", "-out", "leaf.pem", "-extfile", "extensions"),
    ):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    return folder / "ca.pem"


@contextlib.contextmanager
def _listens(handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    class Threads(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """The other side went away, which is what these servers are for."""

    with Threads(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """Accepts each connection, and never answers."""
    ended = threading.Event()

    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            ended.wait()

    with _listens(Silent) as url:
        yield url
        ended.set()


@contextlib.contextmanager
def cutting(server: Server, after: int, *, times: int) -> Iterator[tuple[str, list[str]]]:
    """Stands before a server, and closes connections `after` some bytes of an answer with a wheel.

    Gives the URL, and a list of the requests that were cut."""
    cut: list[str] = []
    host, port = server.address or ("", 0)

    class Cutting(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            first = self.rfile.readline()
            rest = b""
            while not rest.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                rest += line
            cuts = b"/wheels/" in first and len(cut) < times
            if cuts:
                cut.append(first.decode())
            # One request for each connection: the answer ends where the connection ends.
            with socket.create_connection((host, port)) as upstream:
                upstream.sendall(first + b"Connection: close\r\n" + rest)
                sent = 0
                while got := upstream.recv(1024):
                    got = got[: after - sent] if cuts else got
                    self.wfile.write(got)
                    sent += len(got)
                    if cuts and sent >= after:
                        return

    with _listens(Cutting) as url:
        yield url, cut


@contextlib.contextmanager
def endless(kind: str) -> Iterator[tuple[str, list[int]]]:
    """Answers a request for this kind of object without an end. Each list names one record.

    Gives the URL, and how many bytes each of the endless answers had when it was given up."""
    sent: list[int] = []
    block = b"0" * 65536

    class Endless(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

        def do_GET(self) -> None:
            if f"/{kind}/" in self.path:
                self.send_response(200)
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                self.send_header("ETag", '"a"')
                # A length must be said. Nobody can hold that much.
                self.send_header("Content-Length", str(1 << 50))
                self.end_headers()
                sent.append(0)
                index = len(sent) - 1
                while True:
                    self.wfile.write(block)
                    sent[index] += len(block)
            elif "/lists/" in self.path:
                body = b"0" * 64 + b"\n"
                self.send_response(200)
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            else:
                self.send_error(404)

    with _listens(Endless) as url:
        yield url, sent


@contextlib.contextmanager
def elsewhere(root: Path) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Two servers: the first one redirects each request to another host, which serves the files.

    Gives the URL of the first, and the headers of each request to the second."""
    seen: list[dict[str, str]] = []

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(root))  # type: ignore[arg-type]

        def log_message(self, *_args: object) -> None:
            pass

        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            super().do_GET()

        do_PUT = do_GET

    with _listens(Files) as target:
        other = target.replace("127.0.0.1", "localhost")

        class Redirects(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_args: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send_response(307)
                self.send_header("Location", other + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_GET

        with _listens(Redirects) as url:
            yield url, seen
