"""lego's tarball: from which address, verified by what, and what is wrong with another one."""

import hashlib
from pathlib import Path

import pytest

from mattermost_host.knowledge import lego as known
from mattermost_host.releases import choice, lego
from mattermost_host.releases.download import Tarball
from mattermost_host.releases.lego import LegoSettings
from mattermost_host.releases.source import ReleaseError, ReleaseSource
from tests.unit.releases.archives import packed, plain

ELF_ARM64 = b"\x7fELF" + bytes(14) + b"\xb7\x00"


def _file(folder: Path, content: bytes) -> LegoSettings:
    path = folder / "lego.tar.gz"
    path.write_bytes(content)
    return LegoSettings(file=str(path), sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_known_release_comes_from_the_project_and_is_verified(
    architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ReleaseSource] = []

    def fetched(source: ReleaseSource, cache: Path) -> Tarball:
        asked.append(source)
        return Tarball(cache, source.sha256 or "")

    monkeypatch.setattr(choice, "fetched", fetched)
    wanted = lego.tarball(LegoSettings(), architecture)
    wanted.fetch()
    (source,) = asked
    assert source.location == (
        "https://github.com/go-acme/lego/releases/download/"
        f"v{known.VERSION}/lego_v{known.VERSION}_linux_{architecture}.tar.gz"
    )
    assert source.sha256 == wanted.sha256 == known.DIGESTS[architecture]  # type: ignore[index]
    assert source.architecture == architecture


def test_digests_are_digests() -> None:
    assert len(set(known.DIGESTS.values())) == len(known.DIGESTS)
    assert all(len(bytes.fromhex(one)) == 32 for one in known.DIGESTS.values())


def test_a_file_of_ones_own_is_taken_by_its_digest(tmp_path: Path) -> None:
    settings = _file(tmp_path, packed(plain("LICENSE"), plain("lego")))
    fetched = lego.tarball(settings, "amd64").fetch()
    assert (str(fetched.path), fetched.sha256) == (settings.file, settings.sha256)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (packed(plain("bin/lego")), "has no file lego at its top"),
        (b"no tarball", "is not a gzip tarball"),
        (packed(plain("lego"))[:-20], "is truncated"),
        (packed(plain("lego", ELF_ARM64)), "is built for arm64, and the host is amd64"),
    ],
)
def test_another_tarball_is_refused_in_a_sentence(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    with pytest.raises(ReleaseError, match=sentence):
        lego.tarball(_file(tmp_path, content), "amd64").fetch()


def test_a_tarball_with_another_digest_is_refused(tmp_path: Path) -> None:
    settings = _file(tmp_path, packed(plain("lego"))).model_copy(update={"sha256": None})
    with pytest.raises(ReleaseError) as refused:
        lego.tarball(settings, "amd64").fetch()
    assert known.DIGESTS["amd64"] in str(refused.value)
    assert known.RELEASES in str(refused.value)


def test_an_address_out_of_reach_names_the_other_way() -> None:
    settings = LegoSettings(file="http://127.0.0.1:1/lego.tar.gz")
    with pytest.raises(ReleaseError, match=r"or set a tarball \(`tls.lego.file`\)"):
        lego.tarball(settings, "amd64").fetch()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            LegoSettings(sha256="ab" * 32),
            f"tls.lego.sha256: found '{'ab' * 32}' without a file; name the tarball that it is "
            "of, as file beside it, or leave it out",
        ),
        (
            LegoSettings(file="/missing.tar.gz"),
            "tls.lego.file: found '/missing.tar.gz'; there is no such file on this machine",
        ),
    ],
)
def test_each_mistake_has_its_sentence(settings: LegoSettings, sentence: str) -> None:
    assert [str(one) for one in lego.mistakes(settings, "tls.lego")] == [sentence]


def test_right_settings_have_no_mistake() -> None:
    for settings in (LegoSettings(), LegoSettings(file="https://mirror.test/lego.tar.gz")):
        assert list(lego.mistakes(settings, "tls.lego")) == []
