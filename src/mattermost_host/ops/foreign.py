"""A Mattermost on a host that somebody else installed: what its unit, process and files say.

Read with the rights that are needed and no others: files of the server as its own account, so that
a link there leads root nowhere. The answers hold secrets, and are never printed.
"""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mattermost_host.engine.batch import Question
from mattermost_host.knowledge.mattermost_settings import known

LOOK_S = 10
_UNITS = "/etc/systemd/system /run/systemd/system /usr/lib/systemd/system /lib/systemd/system"

FIND_UNITS = rf"""
for folder in {_UNITS}; do
  [ -d $folder ] && [ "$(readlink -f $folder)" = $folder ] || continue
  for file in $folder/*.service; do
    [ -f "$file" ] && [ ! -L "$file" ] || continue
    grep -Eq '^ExecStart=[-+!@:]*[^ ]*/bin/mattermost( |$)' "$file" || continue
    grep -q 'Written by mattermost-host' "$file" || basename "$file"
  done
done | sort -u"""
"""Shell that prints the units which run a server, ours excepted."""

ASK_UNIT = rf"""
shown() {{ systemctl show -p "$1" --value "$unit"; }}
encoded() {{ printf '%s=%s\n' "$1" "$(base64 -w0)"; }}
of_process() {{
  as_its_user() {{ timeout {LOOK_S} setpriv --reuid="$user" --regid="$user" --init-groups "$@"; }}
  encoded environment </proc/$pid/environ
  cwd=$(readlink /proc/$pid/cwd); echo "cwd=$cwd"
  as_its_user "$binary" version 2>/dev/null | encoded version
  config=$(tr '\0' '\n' </proc/$pid/environ | sed -n 's/^MM_CONFIG=//p' | head -n 1)
  set -f; before=
  for word in $arguments; do
    case $before in -c | --config) config=$word ;; esac
    case $word in --config=*) config=${{word#*=}} ;; esac
    before=$word
  done
  case $config in
  *://*) printf %s "$config" | encoded config_source; return ;;
  esac
  config=${{config:-config.json}}
  for place in "" "$cwd/" "$cwd/config/" "${{binary%/bin/mattermost}}/config/"; do
    case $place$config in /*) ;; *) continue ;; esac
    as_its_user [ -f "$place$config" ] || continue
    echo "config_file=$place$config"
    as_its_user head -c 4000000 "$place$config" | encoded config
    break
  done
  defaults=${{binary%/bin/mattermost}}/config/config.defaults.json
  ! as_its_user [ -f "$defaults" ] || as_its_user head -c 4000000 "$defaults" | encoded defaults
}}
units=$(found_units)
for unit in $units; do
  echo "unit=$unit $(shown ActiveState) $(shown FragmentPath)"
done
for unit in $units; do
  pid=$(shown MainPID)
  [ "${{pid:-0}}" != 0 ] || continue
  echo "running=$unit"
  echo "dropins=$(shown DropInPaths)"
  echo "enabled=$(shown UnitFileState)"
  user=$(shown User); user=${{user:-root}}; echo "user=$user"
  start=$(shown ExecStart)
  arguments=${{start#*argv\[\]=}}; arguments=${{arguments%% ;*}}
  binary=${{arguments%% *}}; echo "binary=$binary"
  home=${{binary%/bin/mattermost}}
  echo "home_owner=$(stat -c %U:%G "$home")"
  echo "home_mode=$(stat -c %a "$home")"
  [ "$(readlink -f "$home")" = "$home" ] || echo "home_link=$(readlink -f "$home")"
  of_process
  break
done
if systemctl is-active --quiet nginx.service; then nginx -T 2>/dev/null | encoded nginx; fi
true"""


@dataclass(frozen=True)
class Foreign:
    """What was found; empty where there is no such server."""

    units: tuple[tuple[str, str, str], ...] = ()
    """Units that run a server: name, state, file."""
    unit: str = ""
    """The one that runs; empty where none does."""
    dropins: tuple[str, ...] = ()
    user: str = ""
    binary: str = ""
    cwd: str = ""
    """Working directory of the process: relative paths begin there."""
    enabled: bool = False
    """Whether it starts at boot."""
    home_owner: str = ""
    """Of the folder that its release was unpacked to: ``mattermost:mattermost``."""
    home_mode: str = ""
    home_link: str = ""
    """Where that folder really is, if it is a link."""
    version: str = ""
    edition: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of the process."""
    config_file: str = ""
    config_source: str = field(default="", repr=False)
    """Data source of the database with the configuration; empty where that is a file."""
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Settings by their documented names, as they are stored."""
    defaults: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The settings of a new installation, where its package has them."""
    nginx: str = field(default="", repr=False)
    """All of NGINX's configuration."""

    @property
    def home(self) -> str:
        """The folder that its release was unpacked to."""
        return self.binary.removesuffix("/bin/mattermost")

    def setting(self, name: str) -> Any:
        """The value in force: variables override what is stored."""
        variable = "MM_" + name.replace(".", "_").upper()
        return self.environment.get(variable, self.config.get(name))


@dataclass(frozen=True)
class AskForeign(Question[Foreign]):
    """Is there a Mattermost of somebody else, and what does it run with?"""

    about = "a Mattermost that somebody else installed"
    waits = True

    def script(self) -> str:
        return f"found_units() {{\n{FIND_UNITS}\n}}\n{ASK_UNIT}"

    def parse(self, lines: list[str]) -> Foreign:
        values: dict[str, list[str]] = {}
        for line in lines:
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
        first = {key: one[0] for key, one in values.items()}
        version = dict(_pairs(decoded(first.get("version", "")).splitlines(), ": "))
        enterprise = version.get("Build Enterprise Ready", "").strip()
        variables = decoded(first.get("environment", "")).split("\0")
        return Foreign(
            units=tuple(_unit(line) for line in values.get("unit", ())),
            unit=first.get("running", ""),
            dropins=tuple(first.get("dropins", "").split()),
            user=first.get("user", ""),
            enabled=first.get("enabled") == "enabled",
            home_owner=first.get("home_owner", ""),
            home_mode=first.get("home_mode", ""),
            home_link=first.get("home_link", ""),
            binary=first.get("binary", ""),
            cwd=first.get("cwd", ""),
            version=version.get("Version", "").strip().partition("-")[0],
            edition={"true": "enterprise", "false": "team"}.get(enterprise, ""),
            environment=dict(_pairs(variables, "=")),
            config_file=first.get("config_file", ""),
            config_source=decoded(first.get("config_source", "")),
            config=flat(decoded(first.get("config", ""))),
            defaults=flat(decoded(first.get("defaults", ""))),
            nginx=decoded(first.get("nginx", "")),
        )


def _unit(line: str) -> tuple[str, str, str]:
    name, state, path = (*line.split(" ", 2), "", "")[:3]
    return name, state, path


def _pairs(lines: Any, separator: str) -> Iterator[tuple[str, str]]:
    for line in lines:
        key, found, value = line.partition(separator)
        if found:
            yield key, value


def decoded(text: str) -> str:
    """What ``base64`` printed, as text."""
    return b64decode(text).decode(errors="replace")


def flat(text: str) -> dict[str, Any]:
    """Settings by their documented names out of a configuration as the server writes it.

    A table that is a setting's value, such as that of the plugins, stays one. Empty where the text
    can't be understood.
    """
    try:
        tree = json.loads(text) if text else {}
    except ValueError:
        return {}
    return dict(_leaves(tree, "")) if isinstance(tree, dict) else {}


def _leaves(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and f"{path}{name}" not in known():
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value
