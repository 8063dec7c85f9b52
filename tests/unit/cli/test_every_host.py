"""Hosts in every shape, in an inventory and on init's command line: read, or refused by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mattermost_host.cli import init
from mattermost_host.cli.main import main
from mattermost_host.site.site import Site
from mattermost_host.support.errors import OperatorError

RIGHT = {"url": "https://chat.example.com", "users": 50}
SECRET = "hunter2-hunter2"
NAMES = ["h1", "", "-oX", "a b", "\0", "a\nb", "h" * 300, "@local", "@unknown/x", "ü", "\udcff"]
KEYS = ["ssh_port", "ssh_prot", "ssh_user", "ssh_password", "_sudo", "_sudo_password", "x", "", 1]
HOSTS = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.binary(max_size=3),
        st.sampled_from([*NAMES, SECRET]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=2),
        st.tuples(st.just("h1"), st.dictionaries(st.sampled_from(KEYS), inner, max_size=2)),
    ),
    max_leaves=6,
)
LONGEST = 2_000


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(hosts=HOSTS)
def test_hosts_of_any_shape_are_read_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, hosts: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "hosts.py"
    path.write_text(f"site = {RIGHT!r}\napp = db = proxy = {hosts!r}\n", encoding="utf-8")
    try:
        Site.described(path)
    except OperatorError as error:
        assert str(path) in str(error)
        assert max(map(len, str(error).splitlines())) < LONGEST


@pytest.mark.parametrize("key", ["ssh_password", "_sudo_password", "ssh_key_password"])
@pytest.mark.parametrize("value", [[SECRET], {SECRET: 1}, SECRET.encode(), (SECRET,)])
def test_no_password_of_the_wrong_type_is_shown(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "hosts.py"
    path.write_text(f"site = {RIGHT!r}\napp = db = proxy = [('h1', {{{key!r}: {value!r}}})]\n")
    with pytest.raises(OperatorError) as caught:
        Site.described(path)
    assert key in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("hosts", [[name] for name in NAMES if "\0" not in name] + [["a", "a"]])
def test_init_writes_what_loads_or_nothing(tmp_path: Path, hosts: Sequence[str]) -> None:
    folder = tmp_path / "site"
    arguments = [word for host in hosts for word in ("--host", host)]
    done = CliRunner().invoke(main, ["init", "https://chat.example.com", str(folder), *arguments])
    assert "Traceback" not in done.output
    assert "an unexpected" not in done.output
    if done.exit_code == 0:
        Site.described(folder / init.INVENTORY)
    else:
        assert done.exit_code == 1
        assert not folder.exists()
