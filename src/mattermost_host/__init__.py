"""Mattermost on Linux hosts: installed, hardened, verified and kept correct with pyinfra."""

from gevent import monkey

# pyinfra's command does the same as its first act. Done later, once something holds the ssl
# module's own classes, it breaks every HTTPS request of the process.
monkey.patch_all()
