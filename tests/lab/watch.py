"""A control machine with a timer that looks for drift, and who takes its posts and mails."""

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any

from tests.lab.control import Control
from tests.lab.shell import wait_until

METRICS = "/var/lib/prometheus/node-exporter"


POSTED, MAILED = "/tmp/posted", "/tmp/mailed"


# Takes posts and mails on loopback; a file in its way makes the webhook fail.
LISTENERS = f"""
import http.server, os, socketserver, threading
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        if not os.path.exists("/tmp/broken"):
            open("{POSTED}", "ab").write(text + b"\\n")
        self.send_response(502 if os.path.exists("/tmp/broken") else 200)
        self.end_headers()
class Mail(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"220 sink\\r\\n")
        answers = {{b"DATA": b"354 go on", b"QUIT": b"221 bye"}}
        for line in self.rfile:
            verb = line[:4].upper()
            self.wfile.write(answers.get(verb, b"250 ok") + b"\\r\\n")
            if verb == b"DATA":
                mail = b"".join(iter(self.rfile.readline, b".\\r\\n"))
                open("{MAILED}", "ab").write(mail + b"\\n")
                self.wfile.write(b"250 taken\\r\\n")
            elif verb == b"QUIT":
                return
mail = socketserver.ThreadingTCPServer(("127.0.0.1", 25), Mail)
threading.Thread(target=mail.serve_forever, daemon=True).start()
http.server.HTTPServer(("127.0.0.1", 8080), Hook).serve_forever()
"""


@dataclass
class Seen:
    """What the service did at one start."""

    status: int
    """systemd's own record of how the command ended."""
    result: str
    journal: list[tuple[int, str]]
    """Priority and text."""

    def said(self, priority: int, text: str) -> bool:
        return any(number == priority and text in line for number, line in self.journal)


class Watch:
    """The control machine with its timer."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.host = control.host
        self.unit = ""

    def schedule(self, *options: str, when: str = "*-*-* 03:00") -> str:
        said = self.control.run("schedule", "--on-calendar", when, *options).output
        found = re.search(r"(mattermost-host-drift-chat-\w+)\.timer is installed", said)
        assert found, said
        self.unit = found[1]
        return said

    def look(self) -> Seen:
        """Start the service as the timer does, and wait for its end."""
        cursor = self.host.run("journalctl -n 0 --show-cursor").stdout.partition("-- cursor: ")[2]
        self.host.run(f"systemctl start {self.unit}.service", check=False)
        shown = self.host.run(f"systemctl show -p ExecMainStatus,Result {self.unit}.service")
        values = dict(line.split("=", 1) for line in shown.stdout.split())
        after = shlex.quote(cursor.strip())
        lines = self.host.run(f"journalctl -u {self.unit} -o json --after-cursor {after}").stdout
        entries = [json.loads(line) for line in lines.splitlines()]
        journal = [(int(one["PRIORITY"]), str(one["MESSAGE"])) for one in entries]
        return Seen(int(values["ExecMainStatus"]), values["Result"], journal)

    def wait_for_end(self) -> None:
        """Wait until no run is under way, not even what tells of one that was ended."""
        jobs = f"systemctl list-jobs --no-legend {self.unit}.service"
        wait_until(lambda: not self.host.run(jobs).stdout, 120, "the last run has ended")

    def posts(self) -> list[str]:
        lines = self.host.run(f"cat {POSTED} 2>/dev/null", check=False).stdout.splitlines()
        return [json.loads(line)["text"] for line in lines]

    def metrics(self) -> dict[str, str]:
        text = self.host.read(f"{METRICS}/{self.unit}.prom")
        samples = (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")
        return {name.removeprefix("mattermost_host_drift_"): value for name, _, value in samples}

    def history(self) -> list[dict[str, Any]]:
        found = self.host.run("cat /var/lib/mattermost-host/drift/chat-*/history.jsonl").stdout
        return [json.loads(line) for line in found.splitlines()]
