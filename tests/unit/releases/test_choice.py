"""Which release, and its tarball for however many hosts."""

from pathlib import Path

import pytest
from gevent.pool import Pool

from mattermost_host.releases import choice, download
from mattermost_host.releases.choice import ReleaseSettings, mistakes, release_to_run
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.source import ReleaseError, ReleaseSource
from tests.unit.releases.archives import packed, plain

DIGEST = "ab" * 32


@pytest.fixture(autouse=True)
def nothing_fetched_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_tarballs", {})


def test_a_release_is_fetched_once_for_all_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(source: ReleaseSource, *_: object) -> Tarball:
        asked.append(source.location)
        return Tarball(Path("/x"), DIGEST)

    monkeypatch.setattr(download, "fetch", fetch)
    settings = ReleaseSettings(version="11.7.9", sha256=DIGEST)
    hosts = [release_to_run(settings, "amd64") for _ in range(30)]
    arm = release_to_run(settings, "arm64")
    found = Pool().map(lambda release: release.fetch(""), [*hosts, arm])
    assert set(found) == {Tarball(Path("/x"), DIGEST)}
    assert [location.rsplit("-", 1)[1] for location in sorted(asked)] == [
        "amd64.tar.gz",
        "arm64.tar.gz",
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"file": "https://me:hunter2@mirror.example/mattermost-11.7.9.tar.gz"},
        {"file": "ftp://me:hunter2@mirror.example/mattermost-11.7.9.tar.gz", "unverified": True},
        {"file": "me:hunter2@mirror.example/mattermost-11.7.9.tar.gz", "sha256": DIGEST},
    ],
)
def test_no_sentence_shows_the_password_of_an_address(said: dict[str, object]) -> None:
    found = [str(one) for one in mistakes(ReleaseSettings.model_validate(said), "release")]
    assert found
    assert "hunter2" not in "".join(found)
    assert "mirror.example/mattermost-11.7.9.tar.gz" in "".join(found)


@pytest.mark.parametrize("edition", ["enterprise", "team"])
def test_a_release_without_a_digest_names_the_tarballs_of_both_processors(edition: str) -> None:
    settings = ReleaseSettings.model_validate({"version": "10.11.17", "edition": edition})
    (found,) = (str(one) for one in mistakes(settings, "mattermost.release"))
    for architecture in ("amd64", "arm64"):
        assert f"10.11.17-linux-{architecture}.tar.gz" in found
    assert "…" not in found, "it is not cut short"


def test_a_tarball_for_another_processor_than_the_host_s_is_refused(tmp_path: Path) -> None:
    """Whatever its name says: a run hears of it before it touches the host."""
    header = b"\x7fELF" + bytes(14) + (0x3E).to_bytes(2, "little")
    file = tmp_path / "mattermost-11.7.9-own.tar.gz"
    file.write_bytes(packed(plain("mattermost/bin/mattermost", header)))
    settings = ReleaseSettings(file=str(file), unverified=True)
    assert release_to_run(settings, "amd64").fetch("").path == file
    with pytest.raises(ReleaseError, match="is built for amd64, and the host is arm64"):
        release_to_run(settings, "arm64").fetch("")
