"""Reading secrets writes nothing; what a run would generate, renew or move is planned."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mattermost_host.certificates.authority import Pair, new_authority, new_leaf
from mattermost_host.components import tls
from mattermost_host.knowledge.surface import Wanted
from mattermost_host.site.secrets import Secrets
from mattermost_host.site.secrets_file import Authority, Stored, rendered
from mattermost_host.support.errors import OperatorError
from tests.unit.examples import DEBIAN_12, place

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = ("mm.example.com",)
WANTED = Wanted(database_password=True, certificates={"site": NAMES})


def _kept(inventory: Path, now: datetime = NOW) -> Secrets:
    loaded = Secrets.load(inventory, WANTED, now)
    loaded.keep()
    return Secrets.load(inventory, WANTED, now)


def _planned(inventory: Path, now: datetime = NOW) -> str:
    return "\n".join(map(str, Secrets.load(inventory, WANTED, now).planned))


def _snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_site_without_secrets_can_be_planned(inventory: Path) -> None:
    before = _snapshot(inventory.parent)
    loaded = Secrets.load(inventory, WANTED, NOW)
    assert _snapshot(inventory.parent) == before
    assert loaded.certificates["site"].is_whole()
    file = inventory.with_name("single.secrets.toml")
    assert [str(change) for change in loaded.planned] == [
        f"{file} has no admin_password; a deploy generates it",
        f"{file} has no database_password; a deploy generates it",
        f"{file} has no authority; a deploy generates it and its key",
        f'{file} has no certificate "site"; a deploy generates one',
        f"{inventory.with_name('single.ca.pem')} is not the authority's certificate; a deploy "
        "writes it",
    ]
    generated = loaded.admin_password.get_secret_value()
    assert generated not in str(loaded.planned)


def test_what_was_planned_is_what_is_kept(inventory: Path) -> None:
    loaded = Secrets.load(inventory, WANTED, NOW)
    loaded.keep()
    again = Secrets.load(inventory, WANTED, NOW)
    assert again == loaded
    assert again.planned == ()


def test_a_certificate_that_is_due_is_a_planned_change(inventory: Path) -> None:
    first = _kept(inventory)
    before = _snapshot(inventory.parent)
    late = NOW + timedelta(days=300)
    assert 'certificate "site" with 64 days left: it is due' in _planned(inventory, late)
    assert _snapshot(inventory.parent) == before
    renewed = _kept(inventory, late)
    assert renewed.certificates != first.certificates
    assert renewed.planned == ()


def test_the_authoritys_key_lies_in_a_file_of_its_own(inventory: Path) -> None:
    _kept(inventory)
    key = inventory.with_name("single.authority-key.pem")
    assert key.stat().st_mode & 0o777 == 0o600
    body = key.read_text().splitlines()[1]
    assert body not in inventory.with_name("single.secrets.toml").read_text()


def _as_an_older_version(inventory: Path, authority: Pair) -> str:
    leaf = new_leaf(authority, NAMES, NOW)
    held = Stored(authority=Authority(certificate=authority.certificate))
    text = rendered(held.model_copy(update={"certificates": {"site": leaf}}), "single")
    key = authority.key.get_secret_value()
    text = text.replace("[authority]", f"[authority]\nkey = '''{key}'''")
    file = inventory.with_name("single.secrets.toml")
    file.touch(mode=0o600)
    file.write_text(text)
    return key


@pytest.mark.parametrize("wanted", [WANTED, Wanted()])
def test_the_key_of_an_older_version_is_moved_by_a_run_that_changes(
    inventory: Path, wanted: Wanted
) -> None:
    authority = new_authority("single", NOW)
    key = _as_an_older_version(inventory, authority)
    before = _snapshot(inventory.parent)
    loaded = Secrets.load(inventory, wanted, NOW)
    assert "holds the authority's key; a deploy moves it" in str(loaded.planned)
    assert _snapshot(inventory.parent) == before
    loaded.keep()
    assert inventory.with_name("single.authority-key.pem").read_text() == key
    assert key.splitlines()[1] not in inventory.with_name("single.secrets.toml").read_text()
    again = Secrets.load(inventory, wanted, NOW)
    assert (again.authority, again.planned) == (authority.certificate, ())
    # And it still issues.
    moved = Secrets.load(inventory, Wanted(certificates={"site": ("new.example.com",)}), NOW)
    moved.keep()
    assert moved.authority == authority.certificate


def test_without_the_key_what_stands_can_be_read_and_deployed(inventory: Path) -> None:
    first = _kept(inventory)
    inventory.with_name("single.authority-key.pem").unlink()
    again = Secrets.load(inventory, WANTED, NOW)
    assert (again, again.planned) == (first, ())
    again.keep()
    due = Secrets.load(inventory, WANTED, NOW + timedelta(days=300))
    assert due.certificates == first.certificates
    assert "deploy from the machine that has this file" in str(due.planned)
    due.keep()


def test_without_the_key_a_new_name_can_be_planned_and_not_deployed(inventory: Path) -> None:
    _kept(inventory)
    inventory.with_name("single.authority-key.pem").unlink()
    other = Secrets.load(inventory, Wanted(certificates={"site": ("new.example.com",)}), NOW)
    with pytest.raises(OperatorError) as refused:
        other.keep()
    assert "for other names, and without single.authority-key.pem" in str(refused.value)


@pytest.mark.parametrize("days", [3652, 4000])
def test_an_authority_that_expired_is_said_and_replaced_when_it_is_told(
    inventory: Path, days: int
) -> None:
    _kept(inventory, NOW - timedelta(days=days))
    before = _snapshot(inventory.parent)
    expired = Secrets.load(inventory, WANTED, NOW)
    assert 'has a certificate "site" that expired, and its authority expired on 20' in str(
        expired.planned
    )
    with pytest.raises(OperatorError, match=r"remove the table \[authority\]"):
        expired.keep()
    assert _snapshot(inventory.parent) == before
    (finding,) = tls.requires(tls.Settings(), place(pair=expired.certificates["site"]))[0].check(
        DEBIAN_12
    )
    assert (finding.verdict, "The authority itself ends" in finding.remedy) == ("error", True)
    file = inventory.with_name("single.secrets.toml")
    file.write_text(re.sub(r'(?s)\[authority\].*?"""\n.*?"""\n', "", file.read_text(), count=1))
    renewed = _kept(inventory)
    assert renewed.planned == ()
    assert renewed.authority != expired.authority


def test_secrets_that_somebody_changed_meanwhile_stay(inventory: Path) -> None:
    loaded = Secrets.load(inventory, WANTED, NOW)
    _kept(inventory)
    before = _snapshot(inventory.parent)
    with pytest.raises(OperatorError) as refused:
        loaded.keep()
    assert "run it again" in str(refused.value)
    assert _snapshot(inventory.parent) == before


def test_a_key_of_another_authority_is_named(inventory: Path) -> None:
    _kept(inventory)
    key = inventory.with_name("single.authority-key.pem")
    key.write_text(new_authority("other", NOW).key.get_secret_value())
    with pytest.raises(OperatorError) as refused:
        Secrets.load(inventory, WANTED, NOW)
    assert "the key in single.authority-key.pem does not belong" in str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a file to another user")
def test_a_key_that_others_may_read_is_refused(inventory: Path) -> None:
    _kept(inventory)
    inventory.with_name("single.authority-key.pem").chmod(0o644)
    with pytest.raises(OperatorError, match="has mode 0644"):
        Secrets.load(inventory, WANTED, NOW)
