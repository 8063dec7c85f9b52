"""What an operator reads after a verification, and its exit status."""

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from mattermost_host.verify import run as verification
from mattermost_host.verify.report import Report

PREAMBLE = "import pytest\npytestmark = pytest.mark.parametrize('seen', ['mm'])\n"


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tests write a module of this name; Python must not remember the one before."""
    sys.modules.pop("test_nginx", None)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def _report(folder: Path, code: str) -> tuple[Report, str]:
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider -p no:terminal\n")
    (folder / "test_nginx.py").write_text(PREAMBLE + code)
    report = Report()
    pytest.main([str(folder), "--import-mode=importlib"], plugins=[report])
    printed = io.StringIO()
    report.show(Console(file=printed, highlight=False, soft_wrap=True))
    return report, printed.getvalue()


def test_what_holds_is_one_line(tmp_path: Path) -> None:
    report, printed = _report(tmp_path, "def test_a(seen):\n    pass\n")
    assert report.holds
    assert printed == "mm\n  nginx        1 of 1 passed\n1 check passed.\n"


def test_a_failure_is_its_sentences(tmp_path: Path) -> None:
    code = """
def test_a(seen):
    "TLS 1.1 is refused."
    pytest.fail("one: expected [a], found b\\ntwo", pytrace=False)
def test_b(seen): pass
"""
    report, printed = _report(tmp_path, code)
    assert not report.holds
    assert printed == (
        "mm\n"
        "  nginx        1 of 2 passed\n"
        "    TLS 1.1 is refused:\n"
        "      one: expected [a], found b\n"
        "      two\n"
        "1 of 2 checks failed.\n"
    )


def test_a_host_that_cannot_be_asked_is_one_sentence(tmp_path: Path) -> None:
    code = """
@pytest.fixture
def asked(seen): pytest.fail("mm can't be asked", pytrace=False)
def test_a(asked): pass
def test_b(asked): pass
"""
    report, printed = _report(tmp_path, code)
    assert not report.holds
    assert printed == "mm\n  mm can't be asked\n2 of 2 checks failed.\n"


def test_a_broken_check_says_so_without_a_traceback(tmp_path: Path) -> None:
    _, printed = _report(tmp_path, "def test_a(seen): {}['hunter2']\ndef test_b(seen): pass\n")
    assert "this check could not run: an unexpected KeyError, a defect of this program" in printed
    assert "Traceback" not in printed and "hunter2" not in printed


def test_what_was_left_out_is_said_and_not_counted(tmp_path: Path) -> None:
    report, printed = _report(tmp_path, "def test_a(seen):\n    'It is.'\n    pytest.skip('why')\n")
    assert "not judged: It is: why" in printed
    assert "0 of 0 passed" in printed
    assert not report.holds


def test_a_test_file_that_cannot_be_read_fails(tmp_path: Path) -> None:
    report, printed = _report(tmp_path, "import nowhere\n")
    assert not report.holds
    assert "test_nginx.py" in printed and "this check could not run: an unexpected" in printed
    assert len(printed.splitlines()) < 7, printed
    assert report.to_json(1).count("an unexpected") == 1


@pytest.mark.parametrize("hook", ["collection_modifyitems(items)", "runtest_logstart(nodeid)"])
def test_what_breaks_pytest_itself_is_a_sentence(
    tmp_path: Path, hook: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conftest.py").write_text(f"def pytest_{hook}: {{}}['hunter2']\n")
    report, printed = _report(tmp_path, "def test_a(seen): pass\n")
    assert not report.holds
    assert "this machine\n  an unexpected KeyError, a defect of this program" in printed
    assert "INTERNALERROR" not in "".join(capfd.readouterr())


def test_a_defect_before_the_first_check_is_a_sentence(
    inventory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mattermost_host.site.site.Site.load", classmethod(lambda *_, **__: 1 / 0))
    assert verification.run(inventory, journey=False) == 1
    printed = "".join(capfd.readouterr())
    assert "an unexpected ZeroDivisionError, a defect of this program" in printed
    assert "INTERNALERROR" not in printed and "Traceback" not in printed


def test_what_was_measured_is_shown(tmp_path: Path) -> None:
    code = "def test_a(seen, record_property):\n    record_property('all of it', '2.77 s')\n"
    assert "    all of it: 2.77 s\n" in _report(tmp_path, code)[1]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "site.py"
    site = '{"url": "https://chat.example.com", "users": 5}'
    path.write_text(f"site = {site}\napp = db = proxy = ['mm.invalid']\n")
    return path


def test_an_unreachable_site_fails_with_a_sentence(
    inventory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in sys.modules if name.startswith("test_")]:
        monkeypatch.delitem(sys.modules, name)  # tests/host has tests of the same names
    junit = tmp_path / "junit.xml"
    assert verification.run(inventory, journey=False, junit=junit) == 1
    printed = capfd.readouterr().out
    assert "mm.invalid can't be reached: the name mm.invalid does not resolve" in printed
    assert "Traceback" not in printed
    assert junit.read_text().count("mm.invalid can't be reached") > 10


def test_a_mistake_of_the_inventory_is_the_whole_message(
    inventory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inventory.write_text(inventory.read_text().replace('"users"', '"user"'))
    assert verification.run(inventory, journey=False, junit=None) == 1
    assert "user: found an unknown key" in capfd.readouterr().err


def test_the_same_as_json(tmp_path: Path) -> None:
    code = """
def test_a(seen, record_property):
    record_property("rate", 5)
def test_b(seen):
    "TLS 1.1 is refused."
    pytest.fail("one\\ntwo", pytrace=False)
"""
    report, _ = _report(tmp_path, code)
    assert json.loads(report.to_json(1)) == {
        "status": 1,
        "hosts": {
            "mm": {
                "nginx": {
                    "passed": 1,
                    "failures": [{"check": "TLS 1.1 is refused", "found": "one\ntwo"}],
                    "notes": [{"name": "rate", "value": "5"}],
                }
            }
        },
    }
