"""What a service reaches is waited for, and told while it does not work."""

import pytest

from mattermost_host.ops import works
from mattermost_host.ops.works import AskWorks
from tests.unit import local
from tests.unit.fake_host import Plan, answering, plan


def _planned(question: AskWorks, answer: bool) -> Plan:
    return plan(
        lambda: works.works(name="it works", question=question, otherwise="reaches nobody"),
        answer=answering({question: answer}),
    )


def test_the_real_answer() -> None:
    assert local.ask_here(AskWorks("HAProxy", "true"))
    assert not local.ask_here(AskWorks("HAProxy", "false"))
    assert not local.ask_here(AskWorks("HAProxy", "echo yes; exit 1"))


def test_what_works_is_no_change() -> None:
    assert _planned(AskWorks("HAProxy", "true"), True).changed == []


def test_it_is_waited_for_and_in_the_end_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local.run(_planned(AskWorks("HAProxy", "true"), False).shell).returncode == 0
    monkeypatch.setattr(works, "WAIT_S", 0)
    late = local.run(_planned(AskWorks("HAProxy", "false"), False).shell)
    assert (late.returncode, late.stderr) == (1, "HAProxy reaches nobody\n")
