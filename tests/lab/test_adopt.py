"""Servers that somebody else installed are adopted, with every post, file, setting and salt."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mattermost_host.ops import apt
from tests.lab import vendor_package
from tests.lab.adopting import VERSION, adopted, built, is_ours, state_release, took_over
from tests.lab.foreign import HOME, Adopted, Foreign, adopt
from tests.lab.hosts import Lab, LabHost
from tests.lab.shell import wait_until
from tests.lab.upgrades import Written

JOURNAL = "/var/lib/mattermost-host/take-over/journal"
NEWER = "11.7.10"


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The stand-in, and one that takes no posts."""
    return built(tmp_path_factory.mktemp("releases"))


@pytest.fixture(scope="module")
def old(
    lab: Lab, tarballs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Foreign:
    made = Foreign(lab, lab.up("byhand"), tmp_path_factory.mktemp("byhand"))
    made.database()
    made.tarball(tarballs["sound"])
    made.proxied()
    made.start()
    return made


@pytest.fixture(scope="module")
def written(old: Foreign) -> list[Written]:
    return [old.write()]


@pytest.fixture(scope="module")
def site(old: Foreign, written: list[Written], tarballs: Mapping[str, Path]) -> Adopted:
    return adopted(old, tarballs["sound"])


def test_no_other_run_touches_it(site: Adopted) -> None:
    text = site.inventory.read_text()
    assert "'TeamSettings.MaxUsersPerTeam': 321," in text
    refused = site.run("mattermost-host", "apply", "inventory.py", "--yes", check=False)
    assert refused.status == 1
    assert "`mattermost-host take-over` moves it over" in refused.words


def test_a_server_that_does_not_serve_at_its_new_place_goes_back(
    site: Adopted, old: Foreign, written: list[Written], tarballs: Mapping[str, Path]
) -> None:
    right = site.inventory.read_text()
    state_release(site, tarballs["broken"])
    said = took_over(site, check=False)
    assert "a user could not post" in said
    assert "The old server serves again, as before" in said
    wait_until(lambda: old.status() == 200, 30, "users reach it again")
    old.all_there(*written)
    written.append(old.write())
    site.inventory.write_text(right)


@pytest.mark.parametrize("step", ["moves", "starts"])
def test_one_that_is_cut_off_goes_on_or_back(
    lab: Lab, site: Adopted, old: Foreign, written: list[Written], step: str
) -> None:
    begun = site.start_take_over()
    reached = f"grep -qs '^step={step}$' {JOURNAL}"
    wait_until(lambda: old.host.run(reached, check=False).returncode == 0, 300, f"it {step}")
    lab.crash(old.host)
    begun.kill()
    begun.wait()
    lab.start(old.host)
    plan = site.run("mattermost-host", "plan", "inventory.py", check=False)
    assert f"a take-over that was cut off at the step {step}" in plan.words
    said = took_over(site, check=step == "starts")
    if step == "moves":
        assert "The old server serves again" in said
    old.all_there(*written)
    written.append(old.write())


def test_it_is_the_sites_own(site: Adopted, old: Foreign, written: list[Written]) -> None:
    if "step=done" not in old.host.read(JOURNAL):
        took_over(site)
    is_ours(site, old, written)
    roles = old.host.run(
        "cd /; setpriv --reuid=postgres --init-groups --regid=postgres psql -At"
        " -c 'SELECT rolname FROM pg_roles WHERE rolcanlogin'"
    ).stdout.split()
    assert sorted(roles) == ["mattermost", "postgres"]


def test_the_vendors_package_is_taken_over(
    lab: Lab, tarballs: Mapping[str, Path], tmp_path: Path
) -> None:
    host = lab.up("package")
    old = Foreign(lab, host, tmp_path)
    old.database()
    vendor_package.offer(host, vendor_package.build(tmp_path, tarballs["sound"], VERSION))
    old.package()
    old.proxied("/etc/nginx/conf.d/mattermost.conf")
    old.start()
    written = [old.write()]
    site = adopted(old, None)
    state_release(site, tarballs["sound"])
    assert (
        "the vendor's package mattermost"
        in site.run("mattermost-host", "plan", "inventory.py", check=False).words
    )
    took_over(site)
    is_ours(site, old, written)
    _vendor_is_kept_out(host, tmp_path, tarballs["sound"])
    old.all_there(*written)
    assert site.deploy().changed == ()
    _asked_for_by_its_version_it_is_refused(site)


def _vendor_is_kept_out(host: LabHost, folder: Path, release: Path) -> None:
    """Neither an upgrade nor an installation of the vendor's package touches what is ours."""
    listed = f"ls {HOME} {HOME}/releases; getent passwd mattermost"
    before = host.run(listed).stdout
    both = [vendor_package.build(folder, release, one) for one in (VERSION, NEWER)]
    vendor_package.offer(host, *both)
    host.run("apt-get -y -q full-upgrade", timeout=300)
    refused = host.run("apt-get install -y -q mattermost 2>&1", check=False)
    assert "no installation candidate" in refused.stdout
    assert host.run(listed).stdout == before


def _asked_for_by_its_version_it_is_refused(site: Adopted) -> None:
    """By apt or dpkg: releases stay, the sentence says why, and a guard that is gone is named."""
    host, package = site.host, f"{vendor_package.SOURCE}/mattermost_{NEWER}_amd64.deb"
    listed = f"ls {HOME} {HOME}/releases/*; getent passwd mattermost; dpkg -l mattermost hello"
    before = host.run(listed, check=False).stdout
    for command in (
        f"apt-get install -y -q mattermost={NEWER}",
        f"apt-get install -y -q mattermost={NEWER} hello",
        f"apt install -y {package}",
        f"dpkg -i {package}",
    ):
        said = host.run(f"{command} 2>&1", check=False, timeout=300)
        print(said.stdout)
        assert said.returncode != 0
        assert "its scripts would delete the releases of this host's Mattermost" in said.stdout
        assert host.run(listed, check=False).stdout == before
    host.run("apt-get install -y -q hello && apt-get -y -q full-upgrade", timeout=300)
    host.run(f"rm {apt.KEEP_OUT}")
    plan = site.run("mattermost-host", "plan", "inventory.py", check=False)
    assert (plan.status, apt.KEEP_OUT in plan.words) == (2, True)
    (changed,) = site.deploy().changed
    assert changed.endswith("| release folders are in place")
    assert host.run(f"dpkg -i {package}", check=False).returncode != 0


def test_what_omnibus_leaves_is_taken_over(
    lab: Lab, tarballs: Mapping[str, Path], tmp_path: Path
) -> None:
    host = lab.up("omnibus")
    old = Foreign(lab, host, tmp_path)
    old.database()
    vendor_package.offer(host, vendor_package.build(tmp_path, tarballs["sound"], VERSION))
    old.package()
    old.proxied("/etc/nginx/conf.d/mattermost.conf")
    old.start()
    written = [old.write()]
    old.omnibus()
    written.append(old.write())
    site = adopted(old, tarballs["sound"])
    assert "are copied to another file system" in took_over(site)
    assert host.read("/var/lib/mattermost/config/saml-idp.crt").strip() == "of SAML"
    is_ours(site, old, written)


def test_servers_that_are_refused(lab: Lab, tarballs: Mapping[str, Path], tmp_path: Path) -> None:
    old = Foreign(lab, lab.up("refused"), tmp_path)
    status, said = adopt(old, None)
    assert (status, "no unit of systemd runs bin/mattermost" in " ".join(said.split())) == (1, True)
