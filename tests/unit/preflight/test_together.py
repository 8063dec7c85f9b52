"""What the hosts of a site have in common is judged by all of them at once."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mattermost_host.facts.host import HostFacts
from mattermost_host.preflight import together
from mattermost_host.preflight.finding import Finding, SiteRequirement
from mattermost_host.preflight.run import collect
from tests.unit.examples import DEBIAN_12

URL = "https://chat.example.com"


def _found(
    needed: SiteRequirement, skip: Mapping[str, str] | None = None, **hosts: HostFacts
) -> dict[str, tuple[Finding, ...]]:
    report = collect({name: [needed] for name in hosts}, hosts, skip or {})
    return dict(report.findings)


def _host(**facts: object) -> HostFacts:
    return replace(DEBIAN_12, **facts)  # type: ignore[arg-type]


def test_it_is_asked_once_with_all_hosts_that_need_it() -> None:
    asked: list[list[str]] = []

    def check(hosts: Mapping[str, HostFacts]) -> Iterable[tuple[str, Finding]]:
        asked.append(sorted(hosts))
        return [(name, Finding("agree", "ok", name)) for name in hosts]

    needed = SiteRequirement("agree", check)
    every = {"a": [needed], "b": [needed], "silent": [needed], "another": []}
    facts = dict.fromkeys(("a", "b", "another"), DEBIAN_12)
    report = collect(every, facts, {})
    assert asked == [["a", "b"]]
    assert [one.found for one in report.findings["b"]] == ["b"]
    assert report.findings["another"] == ()
    collect(every, facts, {"agree": "a reason"})
    assert len(asked) == 1


def test_clocks_that_agree_and_one_that_does_not() -> None:
    needed = together.clocks_agree()
    assert _found(needed, one=_host(clock_offset_s=9.0)) == {"one": ()}
    found = _found(
        needed, a=_host(clock_offset_s=1.0), b=_host(clock_offset_s=-0.5), c=_host(clock_offset_s=4)
    )
    assert [one.verdict for (one,) in found.values()] == ["ok", "ok", "error"]
    (wrong,) = found["c"]
    assert (wrong.found, wrong.needed) == (
        "4 s ahead of b",
        "less than 2 s between the site's hosts",
    )
    assert wrong.remedy == "Let all hosts take their time from the same servers."


def test_application_servers_run_one_release() -> None:
    needed = together.one_release(lambda facts: facts.current_release)
    old, new = _host(current_release="11.7.9"), _host(current_release="11.8.1")
    assert _found(needed, one=old) == {"one": ()}
    assert [one.verdict for (one,) in _found(needed, a=old, b=old).values()] == ["ok", "ok"]
    (wrong,) = _found(needed, a=old, b=new)["a"]
    assert wrong.verdict == "error"
    assert wrong.found == "11.7.9 on a, 11.8.1 on b"
    assert "mattermost.release.version" in wrong.remedy


def test_the_name_may_lead_to_any_of_the_hosts() -> None:
    needed = together.name_resolution(URL)
    a = _host(addresses=("192.0.2.1",), resolved=("192.0.2.1", "192.0.2.2"))
    b = replace(a, addresses=("192.0.2.2",))
    (alone,) = _found(needed, a=a)["a"]
    assert (alone.verdict, alone.needed) == ("warning", "chat.example.com resolves to this host")
    both = _found(needed, a=a, b=b)
    assert [one.verdict for (one,) in both.values()] == ["ok", "ok"]
    c = replace(a, resolved=("192.0.2.1", "198.51.100.7"))
    (wrong,) = _found(needed, a=c, b=b)["a"]
    assert "198.51.100.7" in wrong.remedy and "192.0.2.1" not in wrong.remedy
