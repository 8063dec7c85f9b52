"""lego, the ACME client that is one program without anything else: its release and digests.

The digests are those that several public projects state, independently of each other, for the
tarballs of this release at the project's page, and compare with at each of their builds (read in
November 2026). A wrong one could only refuse a tarball, not let another one pass.
"""

from mattermost_host.knowledge.releases import Architecture

VERSION = "4.35.2"
"""Of the line 4, because 5 has other words on its command line."""

RELEASES = "https://github.com/go-acme/lego/releases"
DIGESTS: dict[Architecture, str] = {
    "amd64": "ee5be4bf457de8e3efa86a51651c75c87f0ee0e4e9f3ae14f6034d68365770f3",
    "arm64": "e1f153179098d27ce044aaaa168c0e323d50ae71b0f1a147aa8ae49ac6b14d89",
}
"""SHA-256 of the tarballs of ``VERSION``."""


def official_url(architecture: Architecture) -> str:
    """Where the project serves the tarball."""
    return f"{RELEASES}/download/v{VERSION}/lego_v{VERSION}_linux_{architecture}.tar.gz"
