"""What may be in a release's tarball."""

import gzip
import io
import tarfile

import pytest

from mattermost_host.knowledge.releases import Architecture
from mattermost_host.releases.tarball import check_listing
from tests.unit.releases.archives import SERVER, Member, packed, plain


def special(name: str, kind: bytes, target: str = "") -> Member:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def set_id(mode: int) -> Member:
    member, content = plain("mattermost/x")
    member.mode = mode
    return member, content


def complaint(content: bytes) -> str | None:
    return check_listing(io.BytesIO(content))


def test_folders_files_and_links_within_the_release_are_fine() -> None:
    members = [
        special("mattermost", tarfile.DIRTYPE),
        SERVER,
        special("mattermost/bin/mm", tarfile.SYMTYPE, "mattermost"),
        special("mattermost/client/logs", tarfile.SYMTYPE, "../log"),
        special("mattermost/client/more", tarfile.SYMTYPE, "logs/../bin"),
        special("mattermost/copy", tarfile.LNKTYPE, "mattermost/bin/mattermost"),
        plain("mattermost/client/with ..dots.js"),
    ]
    assert complaint(packed(*members)) is None


@pytest.mark.parametrize(
    "members",
    [
        [],
        [plain("bin/mattermost")],
        [plain("mattermost/bin/mattermost.txt")],
        [plain("a/mattermost/bin/mattermost")],
        [special("mattermost/bin/mattermost", tarfile.DIRTYPE)],
        [special("mattermost/bin/mattermost", tarfile.SYMTYPE, "other")],
    ],
)
def test_a_tarball_without_the_server(members: list[Member]) -> None:
    assert complaint(packed(*members)) == (
        "is not a Mattermost server: it has no bin/mattermost in its folder. Use another one."
    )


@pytest.mark.parametrize("content", [b"", b"<html>log in first</html>", gzip.compress(b"text")])
def test_something_else_than_a_tarball(content: bytes) -> None:
    assert "is not a gzip tarball, or is damaged" in (complaint(content) or "")


@pytest.mark.parametrize("lost", [1, 8, 9, 1_000, 100_000])
def test_a_tarball_that_is_cut_off(lost: int) -> None:
    assert complaint(packed(SERVER)[:-lost]) == ("is truncated. Download it again.")


def test_the_checksum_counts_even_far_behind_the_last_member() -> None:
    padded = gzip.compress(gzip.decompress(packed(SERVER)) + bytes(3 * 1024 * 1024))
    assert complaint(padded) is None
    content = bytearray(padded)
    content[-8] ^= 1
    assert "is not a gzip tarball, or is damaged" in (complaint(bytes(content)) or "")


@pytest.mark.parametrize(
    ("members", "danger"),
    [
        ([plain("/etc/cron.d/x")], "its member '/etc/cron.d/x' lies outside of it"),
        ([plain("mattermost/../../x")], "its member 'mattermost/../../x' lies outside of it"),
        (
            [special("mattermost/x", tarfile.SYMTYPE, "/etc/passwd")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [special("mattermost/x", tarfile.SYMTYPE, "../other")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [special("mattermost/x", tarfile.SYMTYPE, "../mattermost-evil")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [special("mattermost/x", tarfile.LNKTYPE, "../../etc/shadow")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [special("mattermost/x", tarfile.LNKTYPE, "/etc/shadow")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [special("mattermost/a", tarfile.SYMTYPE, "bin"), plain("mattermost/./a/x")],
            "its member 'mattermost/a/x' goes through a link of it",
        ),
        (
            [special("mattermost/x", tarfile.CHRTYPE)],
            "its member 'mattermost/x' is a device or a pipe",
        ),
        (
            [special("mattermost/x", tarfile.BLKTYPE)],
            "its member 'mattermost/x' is a device or a pipe",
        ),
        (
            [special("mattermost/x", tarfile.FIFOTYPE)],
            "its member 'mattermost/x' is a device or a pipe",
        ),
        (
            # It lands in the release's own folder, whatever the tarball calls it.
            [special("mattermost/x", tarfile.SYMTYPE, "../mattermost/bin")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [
                special("mattermost/a/b/up", tarfile.SYMTYPE, "../.."),
                special("mattermost/out", tarfile.SYMTYPE, "a/b/up/../etc"),
            ],
            "its member 'mattermost/out' points outside of it",
        ),
        (
            [
                special("mattermost/a/b/one", tarfile.SYMTYPE, "two"),
                special("mattermost/a/b/two", tarfile.SYMTYPE, "../.."),
                special("mattermost/a/b/three", tarfile.SYMTYPE, "one/.."),
            ],
            "its member 'mattermost/a/b/three' points outside of it",
        ),
        (
            [special("mattermost/x", tarfile.SYMTYPE, "x")],
            "its member 'mattermost/x' points outside of it",
        ),
        (
            [
                special("mattermost/a/l", tarfile.SYMTYPE, "../b"),
                special("mattermost/l", tarfile.LNKTYPE, "mattermost/a/l"),
            ],
            "its member 'mattermost/l' points outside of it",
        ),
        (
            [plain("mattermost/x"), special("mattermost/x", tarfile.SYMTYPE, "bin")],
            "its member 'mattermost/x' is there twice",
        ),
        ([set_id(0o4755)], "its member 'mattermost/x' is set-uid or set-gid"),
        ([set_id(0o2755)], "its member 'mattermost/x' is set-uid or set-gid"),
        (
            [special("mattermost/x", tarfile.CONTTYPE)],
            "its member 'mattermost/x' is a device or a pipe",
        ),
        (
            [plain("mattermost/x\ny")],
            "its member 'mattermost/x\\ny' has a name with control characters or a backslash",
        ),
    ],
)
@pytest.mark.parametrize("library", [True, False], ids=["with a filter", "Python 3.11.2"])
def test_a_member_that_climbs_out(
    members: list[Member], danger: str, library: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not library:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    for order in ([SERVER, *members], [*members, SERVER]):
        assert complaint(packed(*order)) == f"is dangerous: {danger}. Do not deploy it."


def test_a_second_folder() -> None:
    assert complaint(packed(SERVER, plain("other/x"))) == (
        "is dangerous: its member 'other/x' lies outside of its folder mattermost. "
        "Do not deploy it."
    )


def elf(machine: int) -> Member:
    """The server as an executable for a processor, by the number in its ELF header."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine.to_bytes(2, "little")
    return plain("./mattermost/bin/mattermost", header + bytes(100))


@pytest.mark.parametrize(
    ("machine", "architecture", "says"),
    [
        (0x3E, "amd64", None),
        (0xB7, "arm64", None),
        (0x3E, None, None),
        (
            0xB7,
            "amd64",
            "is built for arm64, and the host is amd64. Use the tarball for linux-amd64.",
        ),
        (
            0x3E,
            "arm64",
            "is built for amd64, and the host is arm64. Use the tarball for linux-arm64.",
        ),
        (
            0xF3,
            "amd64",
            "is built for another processor, and the host is amd64. "
            "Use the tarball for linux-amd64.",
        ),
    ],
)
def test_a_server_for_another_processor(
    machine: int, architecture: Architecture | None, says: str | None
) -> None:
    tarball = io.BytesIO(packed(plain("mattermost/client/a"), elf(machine), plain("mattermost/z")))
    assert check_listing(tarball, architecture) == says


def test_a_server_that_is_a_script_suits_every_processor() -> None:
    script = plain("mattermost/bin/mattermost", b"#!/usr/bin/python3\n")
    assert check_listing(io.BytesIO(packed(script)), "arm64") is None
