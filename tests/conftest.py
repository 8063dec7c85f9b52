"""Tests run as the commands do: gevent's sockets before anything holds the ones it replaces."""

from gevent import monkey

monkey.patch_all()
