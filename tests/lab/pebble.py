"""A real ACME server on a lab host: Debian's pebble."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mattermost_host.certificates.authority import new_authority, new_leaf
from tests.lab.deployment import Deployment
from tests.lab.hosts import Lab
from tests.lab.shell import wait_until

SERVER = "acme.test"
PORT, SHORT_PORT = 14000, 14010
DIRECTORY = f"https://{SERVER}:{PORT}/dir"
SHORT_DIRECTORY = f"https://{SERVER}:{SHORT_PORT}/dir"
"""Another authority, whose certificates are due after half a minute."""
VALID_S = 20 * 24 * 3600
"""Less than the 30 days below which certbot renews, so each run of its timer does."""
SHORT_VALID_S = 60


class Pebble:
    """The host on which it answers, and what its own certificate is verified with."""

    def __init__(self, lab: Lab) -> None:
        """Boot it."""
        self.host = lab.up("acme")
        self.authority = new_authority("pebble", datetime.now(UTC) - timedelta(minutes=1))
        self.host.run("apt-get update -q && apt-get install -y -q pebble openssl")
        own = new_leaf(self.authority, [SERVER], datetime.now(UTC))
        self.host.write("/etc/pebble.crt", own.certificate)
        self.host.write("/etc/pebble.key", own.key.get_secret_value())
        lab.resolve(SERVER, self.host)
        self._start(PORT, VALID_S)

    def start_short(self) -> None:
        """The other authority, too, if it does not answer yet."""
        if not self._listens(SHORT_PORT):
            self._start(SHORT_PORT, SHORT_VALID_S)

    def _start(self, port: int, valid_s: int) -> None:
        settings = {
            "listenAddress": f"0.0.0.0:{port}",
            "managementListenAddress": f"0.0.0.0:{port + 1000}",
            "certificate": "/etc/pebble.crt",
            "privateKey": "/etc/pebble.key",
            "httpPort": 80,
            "tlsPort": 443,
            "certificateValidityPeriod": valid_s,
        }
        self.host.write(f"/etc/pebble-{port}.json", json.dumps({"pebble": settings}))
        # certbot's own renewal breaks down where two nonces in a row are refused: 1 run in 30.
        ease = "--setenv=PEBBLE_VA_NOSLEEP=1 --setenv=PEBBLE_WFE_NONCEREJECT=0"
        unit = f"--unit=pebble-{port}"
        self.host.run(f"systemd-run {unit} {ease} pebble -config /etc/pebble-{port}.json")
        wait_until(lambda: self._listens(port), 30, "pebble listens")

    def _listens(self, port: int) -> bool:
        return f":{port} " in self.host.run("ss -Hltn").stdout

    def bundle(self, folder: Path) -> str:
        """The file for ``tls.ca_bundle``; with its root, which a client has to trust."""
        path = folder / "pebble.pem"
        path.write_text(self.authority.certificate + self._root(), encoding="utf-8")
        return str(path)

    def _root(self) -> str:
        # pebble makes its root at each start, and gives it away at its port for managers.
        script = (
            "import ssl, urllib.request as u;"
            f"print(u.urlopen('https://localhost:{PORT + 1000}/roots/0',"
            " context=ssl._create_unverified_context()).read().decode())"
        )
        return self.host.run(f'python3 -c "{script}" | tee /root/root.pem').stdout

    def served(self, deployment: Deployment, what: str) -> str:
        """What the neighbour sees of the certificate that the proxy serves."""
        address, name = deployment.host.address, deployment.name
        asked = f"openssl s_client -connect {address}:443 -servername {name} </dev/null 2>/dev/null"
        return self.host.run(f"{asked} | openssl x509 -noout {what}").stdout.strip()

    def verifies(self, deployment: Deployment) -> bool:
        """Whether the chain that is served leads to its root."""
        told = self.host.run(
            f"openssl s_client -connect {deployment.host.address}:443 "
            f"-servername {deployment.name} -CAfile /root/root.pem "
            f"-verify_hostname {deployment.name} -verify_return_error </dev/null"
        ).stdout
        return "Verify return code: 0 (ok)" in told
