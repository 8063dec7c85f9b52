"""The traces that systemd leaves of a unit on a host, in a folder."""

import time
from pathlib import Path

from mattermost_host.ops import running, what_was_read
from mattermost_host.ops.unit_state import AskUnit, UnitState
from tests.unit import local

RIGHT = UnitState(active=True, enabled=True)
QUESTION = AskUnit("x.service", ("/etc/x.conf",), ("/etc/x.pem",))


SHOWN = (
    "ActiveState=active\nUnitFileState=enabled\nLoadState=loaded\nNeedDaemonReload=no\nMainPID=0"
    "\nMainPID=99999999"  # nobody's
)


class Machine:
    """systemd's traces in a folder: the start of a unit, our stamp, and the files it reads."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.started = folder / "units" / "invocation:x.service"
        self.started.parent.mkdir()
        self.stamp = folder / "stamps" / "reloaded:x.service"
        self.stamp.parent.mkdir()
        self.drop_in = folder / "system" / "x.service.d" / "ours.conf"
        self.drop_in.parent.mkdir(parents=True)
        self.restarted = folder / "x.conf"
        self.reloaded = folder / "x.pem"
        self.shows(SHOWN)

    def shows(self, text: str) -> None:
        script = f"case \"$*\" in *--value*) echo 0;; *) echo 'Names=x.service\n{text}';; esac"
        local.program(self.folder / "programs", "systemctl", script)

    def touch(self, *paths: Path) -> None:
        """Change the inode of each, one after the other, later than everything before."""
        for path in paths:
            time.sleep(0.02)  # the clock of inodes ticks every few milliseconds
            path.unlink(missing_ok=True)
            path.touch()

    def state(self) -> UnitState:
        question = AskUnit("x.service", (str(self.restarted),), (str(self.reloaded),))
        places = {
            "/run/systemd/units": self.started.parent,
            what_was_read.STAMPS: self.stamp.parent,
            running.UNIT_FILES: self.drop_in.parents[1],
        }
        state = local.ask_here(question, self.folder / "programs", places)
        assert isinstance(state, UnitState)
        return state
