"""Tarballs as tests make them, of members with their content."""

import io
import os
import tarfile

Member = tuple[tarfile.TarInfo, bytes]


def plain(name: str, content: bytes = b"x") -> Member:
    """A regular file."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


SERVER = plain("mattermost/bin/mattermost", os.urandom(200_000))
"""What no tarball of a release lacks."""


def packed(*members: Member) -> bytes:
    """All of them, compressed."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()
