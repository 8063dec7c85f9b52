"""requests over a TLS context of our own."""

import ssl
from typing import Any

from requests.adapters import HTTPAdapter


class TlsAdapter(HTTPAdapter):
    """Connections that trust what the context trusts, and nothing else."""

    def __init__(self, tls: ssl.SSLContext):
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Called by requests when it makes its pool of connections."""
        super().init_poolmanager(*arguments, ssl_context=self._tls, **options)
