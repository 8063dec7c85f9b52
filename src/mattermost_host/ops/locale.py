"""A locale of the C library."""

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.knowledge.families import PackageManager
from mattermost_host.ops import dnf


@dataclass(frozen=True)
class HasLocale(Question[bool]):
    """Whether ``locale`` can be used now and survives the next upgrade of the package."""

    about = "the locale {locale}"

    locale: str

    def script(self) -> str:
        compiled = self.locale.replace("UTF-8", "utf8")
        # Where locales are generated; elsewhere they are packages.
        listed = f"! command -v locale-gen >/dev/null || grep -q '^{self.locale} ' /etc/locale.gen"
        return f"locale -a | grep -qx '{compiled}' && {{ {listed}; }} && echo yes"

    def parse(self, lines: list[str]) -> bool:
        return lines == ["yes"]


def available(name: str, locale: str, manager: PackageManager, package: str) -> OperationMeta:
    """Keep ``locale`` (``en_US.UTF-8``) usable; ``package`` contains it, or its sources."""
    expect(HasLocale(locale))
    return _available(name=name, locale=locale, manager=manager, package=package)


@operation()
def _available(
    locale: str, manager: PackageManager, package: str
) -> Generator[StringCommand, None, None]:
    if ask(HasLocale(locale)):
        host.noop("the locale is there")
        return
    explain(Change(f"the locale {locale}", "is missing"))
    repair = _generate(locale) if manager == "apt" else dnf.installed_again(package)
    yield from changing(StringCommand(repair))


def _generate(locale: str) -> str:
    line = f"{locale} UTF-8"
    return (
        f"set -eu; grep -qx '{line}' /etc/locale.gen || echo '{line}' >> /etc/locale.gen\n"
        "locale-gen"
    )
