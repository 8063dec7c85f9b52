"""Kernel parameters: what may be set here is in force, what a container may not set is named."""

import os
from pathlib import Path

import pytest

from mattermost_host.ops import kernel
from mattermost_host.ops.kernel import KernelParameters
from tests.unit import local
from tests.unit.fake_host import answering, plan

WANTED = {"net.core.somaxconn": "4096", "net.ipv4.tcp_rmem": "4096 87380 16777216"}
QUESTION = KernelParameters(tuple(WANTED))


def _shell(found: dict[str, str]) -> str:
    return plan(
        lambda: kernel.in_force(name="they are in force", parameters=WANTED),
        answer=answering({QUESTION: found}),
    ).shell


def test_answers_in_commands_out() -> None:
    assert _shell(WANTED) == ""
    assert _shell({**WANTED, "net.core.somaxconn": "128"}).endswith(
        "sysctl -q -w net.core.somaxconn='4096'"
    )
    assert "net.ipv4.tcp_rmem='4096 87380 16777216'" in _shell(dict.fromkeys(WANTED, "1"))


def test_what_may_not_be_set_here_is_no_change() -> None:
    assert _shell({}) == ""
    assert _shell({"net.core.somaxconn": "4096"}) == ""


def test_reading_the_kernels_tabs() -> None:
    assert QUESTION.parse(["net/ipv4/tcp_rmem:4096\t87380\t16777216"]) == {
        "net.ipv4.tcp_rmem": "4096 87380 16777216"
    }
    assert QUESTION.parse([]) == {}


def test_the_real_answer_names_only_what_may_be_set(tmp_path: Path) -> None:
    (tmp_path / "net" / "core").mkdir(parents=True)
    (tmp_path / "net" / "core" / "somaxconn").write_text("4096\n")
    assert local.ask_here(QUESTION, places={"/proc/sys/": f"{tmp_path}/"}) == {
        "net.core.somaxconn": "4096"
    }


@pytest.mark.skipif(
    not os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK),
    reason="this machine lets nobody set net.ipv4.ip_forward here",
)
def test_the_real_kernel_answers() -> None:
    names = ("net.ipv4.ip_forward", "net.ipv4.ip_local_port_range", "no.such.parameter")
    found = local.ask_here(KernelParameters(names))
    assert found == {
        name: " ".join(Path("/proc/sys", name.replace(".", "/")).read_text().split())
        for name in names[:2]
    }
