"""A wave of log-ins at a server that checks passwords one at a time, behind our real NGINX.

`python -m tests.bench.logins` prints a row for each limit. The server waits 0.15 s for each
password, whoever still listens, as the real one does; so the figures do not hang on the machine.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

from mattermost_host.components import nginx
from mattermost_host.components.nginx import LoginLimit, Serving, Settings

HASHING_S = float(os.environ.get("HASHING_S", "0.15"))
PATIENCE_S = 5.0
WAVE_S, PER_SECOND = 15, 20
AFTERWARDS_S = 20
PORT, SERVER_PORT = 18443, 18065
OPEN = LoginLimit(1000, 10_000, 60_000, 1000, 10_000)
EVERYBODY_APART = replace(nginx.LOGINS, client_rate=1000, client_burst=10_000)
"""All come from one address here, as people of many addresses."""
TRIED = {
    "none": OPEN,
    "2 r/s, burst 7": replace(EVERYBODY_APART, site_rate=2, site_burst=7),
    "3 r/s, burst 10": replace(EVERYBODY_APART, site_rate=3, site_burst=10),
    "4 r/s, burst 14": replace(EVERYBODY_APART, site_rate=4, site_burst=14),
    "5 r/s, burst 17": replace(EVERYBODY_APART, site_rate=5, site_burst=17, waiting=60_000),
    "5 r/s, burst 20, as in the first trial": replace(OPEN, site_rate=5, site_burst=20),
    "limit_conn 18 alone": replace(OPEN, waiting=18),
    "limit_conn 30 alone": replace(OPEN, waiting=30),
    "as deployed, one address": nginx.LOGINS,
}


class SlowServer:
    """One password at a time; everything else is answered at once."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._hashing: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"POST"):
                    task = asyncio.create_task(self._hash())
                    self._hashing.add(task)
                    task.add_done_callback(self._hashing.discard)
                    await asyncio.shield(task)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    async def _hash(self) -> None:
        async with self._lock:
            await asyncio.sleep(HASHING_S)


async def ask(head: str) -> int:
    """The status of an answer; 0 where none came in time."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
            try:
                request = f"{head} HTTP/1.1\r\nHost: chat.example.com\r\nContent-Length: 0\r\n"
                writer.write(f"{request}Connection: close\r\n\r\n".encode())
                return int((await reader.readline()).split()[1])
            finally:
                writer.close()
    except (TimeoutError, OSError, IndexError):
        return 0


async def log_in() -> int:
    """One person's log-in."""
    return await ask("POST /api/v4/users/login")


async def ping_until(end: float, latencies: list[float]) -> None:
    """Other requests meanwhile, ten a second."""
    while time.monotonic() < end:
        begin = time.monotonic()
        await ask("GET /api/v4/system/ping")
        latencies.append(time.monotonic() - begin)
        await asyncio.sleep(0.1)


async def wave(limit: LoginLimit) -> str:
    """A row: log-ins that succeeded, timed out and were told 429, and what came after."""
    slow = SlowServer()
    server = await asyncio.start_server(slow.serve, "127.0.0.1", SERVER_PORT, backlog=4096)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        proxy = await asyncio.create_subprocess_exec(*_nginx(Path(folder), limit))
        while await ask("GET /api/v4/system/ping") != 200:
            await asyncio.sleep(0.1)
        latencies: list[float] = []
        pinging = asyncio.create_task(ping_until(time.monotonic() + WAVE_S, latencies))
        asked = []
        for _ in range(WAVE_S * PER_SECOND):
            asked.append(asyncio.create_task(log_in()))
            await asyncio.sleep(1 / PER_SECOND)
        ended = time.monotonic()
        works = "none in 20 s"
        while time.monotonic() < ended + AFTERWARDS_S:
            if await log_in() == 200:
                works = f"{time.monotonic() - ended:.1f} s"
                break
        statuses = Counter(await asyncio.gather(*asked))
        await pinging
        proxy.terminate()
        await proxy.wait()
    server.close()
    worst = quantiles(latencies, n=20)[-1] * 1000
    return f"{statuses[200]} | {statuses[0]} | {statuses[429]} | {worst:.0f} ms | {works}"


def _nginx(folder: Path, limit: LoginLimit) -> list[str]:
    """The command of an NGINX with our site, without TLS, on loopback."""
    pair = ("/etc/mattermost-host/tls/fullchain.pem", "/etc/mattermost-host/tls/privkey.pem")
    serving = Serving(
        "chat.example.com",
        "chat.example.com",
        (f"127.0.0.1:{SERVER_PORT}",),
        *pair,
        100,
        None,
        None,
    )
    text = nginx.site_configuration(
        Settings(), serving, "1.22.1", ipv6=False, brotli=False, logins=limit
    )
    lines = [
        line.replace("443 ssl http2", f"127.0.0.1:{PORT}").replace(
            "listen 80", "listen 127.0.0.1:18080"
        )
        for line in text.splitlines()
        if "ssl_certificate" not in line
    ]
    (folder / "site.conf").write_text("\n".join(lines))
    (folder / "nginx.conf").write_text(
        "daemon off; user root; worker_processes 1; error_log stderr crit;\n"
        f"pid {folder}/pid; events {{ worker_connections 8192; }}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n"
        f"include {folder}/site.conf; }}\n"
    )
    nginx_program = shutil.which("nginx", path="/usr/sbin:/usr/bin") or sys.exit("no nginx here")
    return [nginx_program, "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def main() -> None:
    """All limits, one after the other: about half a minute each."""
    print("limit | succeeded | timed out | 429 | others' p95 | a log-in works after the wave")
    for name, limit in TRIED.items():
        print(f"{name} | {asyncio.run(wave(limit))}", flush=True)


if __name__ == "__main__":
    main()
