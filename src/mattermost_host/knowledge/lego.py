"""lego, an ACME client without dependencies: its release and digests.

Sources: several independent public projects state these digests for the release's tarballs and
check them in each build (read in November 2026). A wrong digest could only refuse a tarball.
"""

from mattermost_host.knowledge.releases import Architecture

VERSION = "4.35.2"
"""Release line 4: line 5 has other command-line options."""

RELEASES = "https://github.com/go-acme/lego/releases"
DIGESTS: dict[Architecture, str] = {
    "amd64": "ee5be4bf457de8e3efa86a51651c75c87f0ee0e4e9f3ae14f6034d68365770f3",
    "arm64": "e1f153179098d27ce044aaaa168c0e323d50ae71b0f1a147aa8ae49ac6b14d89",
}
"""SHA-256 of the tarballs of ``VERSION``, by architecture."""


def official_url(architecture: Architecture) -> str:
    """The tarball's address in the project's releases."""
    return f"{RELEASES}/download/v{VERSION}/lego_v{VERSION}_linux_{architecture}.tar.gz"
