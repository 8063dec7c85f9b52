"""The parts of a surface that are tested; a component without one has no such test."""

from mattermost_host.knowledge.surface import Port, SecretFile, Surface, Unit

UNITS, SANDBOXED, SECRET_FILES, PORTS = "units", "sandboxed units", "secret files", "ports"
PROBED = "units that can be asked"


def sandboxed(surface: Surface) -> tuple[Unit, ...]:
    """The units with a bound for their exposure."""
    return tuple(unit for unit in surface.units if unit.max_exposure is not None)


def has(surface: Surface, kind: str) -> bool:
    """Whether the component declares anything of this kind."""
    parts: dict[str, tuple[Unit | Port | SecretFile, ...]] = {
        UNITS: surface.units,
        SANDBOXED: sandboxed(surface),
        PROBED: tuple(unit for unit in surface.units if unit.probe),
        SECRET_FILES: surface.secret_files,
        PORTS: surface.ports,
    }
    return bool(parts[kind])
