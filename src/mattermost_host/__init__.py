"""Mattermost on Linux hosts: installed, hardened, verified and kept right with pyinfra."""
