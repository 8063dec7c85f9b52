"""Names, URLs and mail addresses: one spelling for what is right, a sentence for what is not."""

import pytest

from mattermost_host.knowledge import names
from mattermost_host.knowledge.names import Refused


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://chat.example.com", "https://chat.example.com"),
        ("HTTPS://Chat.EXAMPLE.com:443", "https://chat.example.com"),
        ("https://chat.example.com:8443", "https://chat.example.com:8443"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("https://例え.jp:443", "https://xn--r8jz45g.jp"),
        ("https://\uff43hat\u3002example", "https://chat.example"),
        ("https://XN--Mnchen-3YA.example", "https://xn--mnchen-3ya.example"),
        ("https://192.0.2.7", "https://192.0.2.7"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://localhost", "https://localhost"),
        (f"https://{'a' * 63}.example", f"https://{'a' * 63}.example"),
    ],
)
def test_a_url_in_the_spelling_of_browsers(written: str, meant: str) -> None:
    assert names.site_url(written) == meant
    assert names.site_url(meant) == meant


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("http://chat.example.com", "a URL without https://; "),
        ("chat.example.com", "a URL without https://; "),
        ("ftp://chat.example.com", "a URL without https://; "),
        ("https://chat.example.com/", "a URL with a slash at the end; "),
        ("https://chat.example.com/chat", "a URL with a path, query or fragment; "),
        ("https://chat.example.com?x=1", "a URL with a path, query or fragment; "),
        ("https://chat.example.com#top", "a URL with a path, query or fragment; "),
        ("https://chat.example.com\\x", "a URL with a path, query or fragment; "),
        ("https://chat.example.com.", "a URL with a host name with a dot at its end; "),
        ("https://root:hunter2@chat.example.com", "a URL with a user or password; "),
        ("https://chat.example.com:0", "a port that is not between 1 and 65535; "),
        ("https://chat.example.com:65536", "a port that is not between 1 and 65535; "),
        ("https://chat.example.com:", "an invalid port, or an IPv6 address without brackets; "),
        ("https://2001:db8::1", "an invalid port, or an IPv6 address without brackets; "),
    ],
)
def test_a_wrong_url_is_this_sentence(written: str, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        names.site_url(written)
    assert str(refused.value).startswith(sentence)
    assert "hunter2" not in str(refused.value)


HOSTILE = (
    *("x;return 200 pwned", "$host", "${host}", "x{", "x}", 'x"', "x'", "x\\", "x y", "x\ty"),
    *("x\ny", "x\r", "x\0", "x#", "x`id`", "$(id)", "x|y", "x&y", "x>y", "x<y", "x*", "~", "*.x"),
    *("-oProxyCommand=id", "-x", "x-", "x..y", ".x", "x_y", "x%20y", "x%", "x,y", "x!", "x@y"),
    *("1.2.3", "0x7f.1", "256.1.1.1", "1.2.3.04", "12345", "a" * 64, "a." * 127 + "aa", ""),
    *("xn--a", "☃", "a\u200db", "a\u202eb", "\ud800", "x\u2028y", "fe80::1%eth0", "0.0.0.0", "::"),
    *("224.0.0.1", "[::1", "::1]", "[chat]", "[127.0.0.1]", "1::2::3"),
)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_no_host_is_called(text: str) -> None:
    for judge, wrapped in (
        (names.host_name, text),
        (names.site_url, f"https://{text}"),
        (names.mail_address, f"me@{text}"),
        (names.https_url, f"https://{text}/directory"),
    ):
        if judge is names.site_url and "@" in text:
            continue
        with pytest.raises(Refused):
            judge(wrapped)


@pytest.mark.parametrize("text", ["a@b.example", "o'brien+x@EXAMPLE.com", "ops@münchen.example"])
def test_a_mail_address(text: str) -> None:
    assert names.mail_address(text).rpartition("@")[2].isascii()


@pytest.mark.parametrize(
    "text",
    ["", "a", "@b", "a@", "a b@c.d", "a@b@c", "a..b@c.d", ".a@b.c", "a@b.c\nBcc: x@y", "<a@b.c>",
     "A <a@b.c>", "a@b.c,d@e.f", "ä@b.c", "a" * 65 + "@b.c", "a@[192.0.2.1]", "a@::1"],
)  # fmt: skip
def test_what_is_no_mail_address(text: str) -> None:
    with pytest.raises(Refused):
        names.mail_address(text)


@pytest.mark.parametrize(
    "text",
    ["https://x/$(id)", "https://x/a b", "https://x/'", 'https://x/"', "https://x/a;b",
     "https://x?a", "https://u:p@x/", "http://x/", "https://x/\n", "https://x/`id`", "x"],
)  # fmt: skip
def test_what_is_no_https_address(text: str) -> None:
    with pytest.raises(Refused):
        names.https_url(text)


def test_a_line_is_what_every_file_can_hold() -> None:
    assert names.one_line("Grüße aus dem \t Süden".replace("\t", "")) == "Grüße aus dem  Süden"
    for character in "\n\r\0\x1b\x7f\x85\u2028\ud800\ufffe":
        with pytest.raises(Refused):
            names.one_line(f"a{character}b")
    with pytest.raises(Refused):
        names.one_line("x" * 140_000)
