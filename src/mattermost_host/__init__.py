"""Mattermost on Linux hosts: installed, hardened, verified and kept correct with pyinfra."""
