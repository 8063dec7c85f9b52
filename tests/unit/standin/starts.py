"""A start of the stand-in server that is refused, and its configuration."""

from tests.standin.running import Standin, give_away

PASSWORD = "Correct-horse-1"


def write_config(server: Standin, text: str) -> None:
    server.config.write_text(text)
    give_away(server.config)


def refused(server: Standin, **environment: str) -> str:
    """The last line of the output of a server that does not start."""
    server.launch(**environment)
    assert server.exit_status() == 1
    return server.output.splitlines()[-1]
