"""size: the table, the pictures, the inventory, and what it refuses."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from mattermost_host.cli.main import main
from mattermost_host.site.site import Site


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _size(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["size", *arguments])


def test_the_table_fits_a_terminal_and_says_where_sizes_are_from() -> None:
    done = _size("--users", "60000", "--concurrent", "20000", "--usage", "high", "--months", "120")
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= 80
    words = [line.split() for line in done.output.splitlines()]
    rows = {row[0]: row for row in words if len(row) > 5 and row[1].isdigit()}
    assert rows["app"][1:5] == ["3", "1", "6", "11"]
    assert rows["app"][-1] == "interpolated"
    assert rows["etcd"][1] == "3"
    assert "60,000 users, 20,000 at the same time; high usage; room for 120 months" in done.output
    assert "Pools: 3 x 100 connections, so max_connections 320" in done.output
    assert "Without a licence the server makes no more than 250 accounts." in done.output
    assert "load-test-ng" in done.output
    assert "db and etcd can be deployed on several hosts, app and proxy on one" in done.output


def test_a_team_has_the_documents_example_of_storage() -> None:
    done = _size("--users", "30")
    assert "One host: 1 vCPU, 2 GB of memory, 10 to 18 GB of disk (published)" in done.output
    assert "licence the server makes" not in done.output


def test_json_is_alone_on_standard_output() -> None:
    made = json.loads(_size("--users", "2000", "--json", "-").output)
    assert made["one_host"] == {"cpus": 2, "memory_mb": 3814}
    assert [group["role"] for group in made["groups"]] == [
        "proxy",
        "app",
        "db",
        "etcd",
        "storage",
        "search",
    ]


@pytest.mark.parametrize("users", ["1", "30", "2000", "5000", "200000"])
def test_the_pictures_are_svg_with_each_host(here: Path, users: str) -> None:
    assert _size("--users", users, "--pictures", "a", "--json", "made.json").exit_code == 0
    made = json.loads((here / "made.json").read_text())
    hosts = sum(group["carry"] + group["spare"] for group in made["groups"])
    topology = ElementTree.parse(here / "a/topology.svg").getroot()
    drawn = [one for one in topology.iter() if one.get("width") == "26" and one.get("height")]
    assert len([one for one in drawn if one.get("height") == "18"]) == hosts
    width = float(topology.attrib["viewBox"].split()[2])
    assert max(float(one.attrib["x"]) + 26 for one in drawn) < width
    storage = ElementTree.parse(here / "a/storage.svg").getroot()
    lines = [one for one in storage.iter() if one.tag.endswith("polyline")]
    assert [len(one.attrib["points"].split()) for one in lines] == [13, 13]


def test_the_inventory_passes_its_own_validation(here: Path) -> None:
    done = _size("--users", "1500", "--write", "mine.py")
    assert "mine.py is written." in done.output
    _, settings = Site.described(here / "mine.py")
    assert settings.users == 1500
    again = _size("--users", "1500", "--write", "mine.py")
    assert again.exit_code == 1
    assert "mine.py exists already, and nothing is overwritten" in again.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--users", "10", "--concurrent", "11"), "--concurrent 11 is more than --users 10"),
        (("--users", "200001"), "No architecture is published for 200,001 users"),
        (("--users", "0"), "0 is not in the range"),
        (("--users", "5", "--months", "0"), "0 is not in the range"),
        (("--users", "5", "--usage", "huge"), "'huge' is not one of"),
        ((), "Missing option '--users'"),
        (
            ("--users", "2001", "--write", "x.py"),
            "--write makes an inventory for one host, for which sizes are published up to 2,000 "
            "users, not 2,001. The database can be on several hosts, the server and its proxy on "
            "one so far: docs/high-availability.md has that inventory; leave --write out",
        ),
        (("--users", "5", "--pictures", "/dev/null/x"), "/dev/null/x: Not a directory"),
        (("--users", "5", "--pictures", "missing/x"), "the folder missing does not exist"),
        (("--users", "5", "--pictures", ""), "'' is not a folder name"),
        (("--users", "5", "--pictures", "-"), "standard output (-) can't be used here"),
        (("--users", "5", "--write", "-"), "standard output (-) can't be used here"),
        (("--users", "5", "--write", "missing/x"), "the folder missing does not exist"),
        (("--users", "5", "--json", "missing/x"), "the folder missing does not exist"),
        (("--users", "5", "--write", "w", "--json", "./w"), "--write and --json are the same file"),
        (
            ("--users", "5", "--write", "w", "--pictures", "w"),
            "--write and --pictures are the same",
        ),
        (
            ("--users", "5", "--json", "topology.svg", "--pictures", "."),
            "--json and --pictures are the same file, topology.svg; nothing was written",
        ),
    ],
)
def test_what_it_refuses(here: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = _size(*arguments)
    assert done.exit_code == 1
    assert sentence in done.output
    assert list(here.iterdir()) == []
