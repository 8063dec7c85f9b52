"""Stream a release's tarball or signature over HTTP; every failure becomes a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3

from mattermost_host.releases.source import ReleaseError, ReleaseSource
from mattermost_host.support.causes import cause_of

TIMEOUT_S = (10, 60)
"""Timeouts in seconds: to connect, and between two packets."""


@contextmanager
def opened(source: ReleaseSource, url: str) -> Iterator[requests.Response]:
    """The response to a GET of ``url``; its body is not read yet and not decompressed."""
    shown = source.shown + ("" if url == source.location else ".sig")
    # "identity": some servers call a tarball "gzip encoded", and the digest is that of the .tar.gz.
    headers = {"Accept-Encoding": "identity"}
    try:
        response = requests.get(url, stream=True, timeout=TIMEOUT_S, headers=headers)
    except requests.RequestException as error:
        cause = cause_of(error) or "the connection failed"
        raise ReleaseError(
            f"{shown} cannot be reached ({cause}). Give this machine a way there, or set "
            f"{source.kind.other_ways}."
        ) from None
    with response:
        if response.status_code != requests.codes.ok:
            raise ReleaseError(
                f"{shown} answers {response.status_code} {response.reason}: the file "
                f"does not exist, or access is restricted. Check {source.kind.to_check}."
            )
        try:
            yield response
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            raise ReleaseError(
                f"The download of {shown} was interrupted. Run again, or download it some other "
                f"way and set `{source.kind.setting}.file`."
            ) from None
