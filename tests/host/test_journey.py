"""The end-to-end test with two users, through the proxy."""

from pathlib import Path

from mattermost_host.verify import journey
from tests.host.asking import Seen
from tests.host.outside import authorities, resolving
from tests.host.recording import Recorder


def test_two_users_talk(seen: Seen, tmp_path: Path, record_property: Recorder) -> None:
    """Two users exchange posts, a reply and an image, and everything arrives."""
    bundle = tmp_path / "authorities.pem"
    bundle.write_text("\n".join(authorities(seen.site)), encoding="utf-8")
    administrator = seen.settings.mattermost.administrator
    password = seen.site.secrets.admin_password.get_secret_value()
    with resolving(seen.settings.name, seen.address):
        report = journey.run(seen.settings.url, bundle, administrator.username, password)
    for step in report.steps:
        record_property(step.name, f"{step.seconds:.2f} s")
    record_property("all of it", f"{report.total:.2f} s")
