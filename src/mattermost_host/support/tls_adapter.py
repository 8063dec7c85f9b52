"""An adapter for requests that uses a given TLS context."""

import ssl
from typing import Any

from requests.adapters import HTTPAdapter


class TlsAdapter(HTTPAdapter):
    """Connections that trust exactly what the context trusts."""

    def __init__(self, tls: ssl.SSLContext):
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Called by requests when it creates its connection pool."""
        super().init_poolmanager(*arguments, ssl_context=self._tls, **options)
