"""The secrets file of an inventory, as an operator writes it."""

from pathlib import Path


def secrets_of(inventory: Path) -> Path:
    """Where it lies."""
    return inventory.with_name("single.secrets.toml")


def write_secrets(inventory: Path, text: str) -> None:
    """Write it, private from its first byte."""
    secrets_of(inventory).touch(mode=0o600)
    secrets_of(inventory).write_text(text)
