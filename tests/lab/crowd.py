"""Many WebSockets from one process: `python3 crowd.py`, alone on a lab host, by its own library.

Reads {"address", "name", "token", "count", "seconds"} from standard input. Each socket is greeted,
then waits for one event `posted`; in the end it prints how many came how far.
"""

import asyncio
import base64
import json
import os
import resource
import ssl
import sys
from asyncio import FIRST_EXCEPTION
from dataclasses import dataclass

AT_ONCE = 50
"""Handshakes under way at the same time."""

TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""One for all: making one takes longer than a handshake. Certificates are proven elsewhere."""
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


@dataclass
class Counted:
    """How many sockets came how far."""

    greeted: int = 0
    told: int = 0


async def member(asked: dict[str, str], gate: asyncio.Semaphore, counted: Counted) -> None:
    """One socket: connect, be greeted, wait for the event."""
    async with gate:
        reader, writer = await asyncio.open_connection(
            asked["address"], 443, ssl=TRUSTING, server_hostname=asked["name"], limit=4096
        )
        writer.write(
            (
                "GET /api/v4/websocket HTTP/1.1\r\n"
                f"Host: {asked['name']}\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
                f"Authorization: Bearer {asked['token']}\r\n\r\n"
            ).encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise ConnectionError(head.partition(b"\r\n")[0].decode())
        await until(reader, "hello")
    counted.greeted += 1
    await until(reader, "posted")
    counted.told += 1
    writer.close()


async def until(reader: asyncio.StreamReader, event: str) -> None:
    """Read frames, which a server never masks, until one holds `event`."""
    while True:
        _, length = await reader.readexactly(2)
        if length == 126:  # the next two bytes hold it
            length = int.from_bytes(await reader.readexactly(2), "big")
        payload = await reader.readexactly(length)
        if f'"event":"{event}"'.encode() in payload.replace(b": ", b":"):
            return


async def main(asked: dict[str, str], count: int, seconds: float) -> None:
    """All of them, for at most so many seconds."""
    counted, gate = Counted(), asyncio.Semaphore(AT_ONCE)
    members = [asyncio.ensure_future(member(asked, gate, counted)) for _ in range(count)]
    done, waiting = await asyncio.wait(members, timeout=seconds, return_when=FIRST_EXCEPTION)
    for one in waiting:
        one.cancel()
    errors = sorted({repr(one.exception()) for one in done if one.exception()})
    print(json.dumps({"greeted": counted.greeted, "told": counted.told, "errors": errors}))


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = json.load(sys.stdin)
    asyncio.run(main(wanted, int(wanted["count"]), float(wanted["seconds"])))
