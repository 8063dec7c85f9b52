"""Servers on loopback that keep what they are told: an incoming webhook, and a mail server."""

import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


@dataclass
class Hook:
    """A webhook: its address, what it answers, and what was posted."""

    port: int
    status: int = 200
    location: str = ""
    posted: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, which is a secret."""
        return f"http://127.0.0.1:{self.port}/hooks/c0ffee"


@contextmanager
def webhook(tls: ssl.SSLContext | None = None) -> Iterator[Hook]:
    """A webhook that is up; with ``tls`` it speaks HTTPS."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/json"
            hook.posted.append(json.loads(body)["text"])
            self.send_response(hook.status)
            if hook.location:
                self.send_header("Location", hook.location)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        hook = Hook(server.server_port)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield hook
        server.shutdown()


@dataclass
class Box:
    """A mail server: its port, what it refuses with, and what it took."""

    port: int
    refuse: str = ""
    to: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    """Every line of the clients outside of mails."""


@contextmanager
def mail_server() -> Iterator[Box]:
    """A mail server that is up and takes everything."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 sink")
            while line := self.rfile.readline().decode().rstrip("\r\n"):
                box.said.append(line)
                if not self._answer(line):
                    return

        def _answer(self, line: str) -> bool:
            verb = line.partition(":")[0].partition(" ")[0].upper()
            if verb == "RCPT":
                box.to.append(line.partition("<")[2].partition(">")[0])
                self._say(box.refuse or "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                # A dot at the beginning of a line travels as two.
                box.mails.append("".join(line.removeprefix(".") for line in lines))
                self._say("250 taken")
            else:
                self._say("221 bye" if verb == "QUIT" else "250 ok")
            return verb != "QUIT"

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        box = Box(server.server_address[1])
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield box
        server.shutdown()
