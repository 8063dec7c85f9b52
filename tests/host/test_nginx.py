"""The proxy, from the control machine and on its host."""

from mattermost_host.components import nginx
from mattermost_host.knowledge import sizing
from mattermost_host.ops.account import Account, Wanted
from tests.host import asking, judge_web
from tests.host.asking import Seen
from tests.host.judge import account, current_files, differs, holds, open_files
from tests.host.outside import Outside
from tests.host.questions import PING
from tests.host.recording import Recorder, bounded_by_container

FOREIGN_NAME = "another-site.invalid"
FOREIGN_ORIGIN = f"https://{FOREIGN_NAME}"
PAGE = "/some/page?with=a-query"


def test_the_site_answers_through_the_proxy(proxy: Outside) -> None:
    """The site answers through the proxy: server, database and files are well."""
    answer = proxy.ask(PING)
    holds(judge_web.ping(answer.status, answer.json()))


def test_plain_http_leads_to_tls(proxy: Outside) -> None:
    """Plain HTTP redirects to the same page over TLS."""
    answer = proxy.ask(PAGE, plain=True)
    holds(judge_web.redirect(answer, f"https://{proxy.authority}{PAGE}"))


def test_a_foreign_name_is_refused(proxy: Outside) -> None:
    """A request for another host name is refused."""
    answer = proxy.ask("/", host=FOREIGN_NAME)
    holds(judge_web.status(f"a request for {FOREIGN_NAME}", 421, answer))


def test_browsers_are_told_to_use_tls(proxy: Outside) -> None:
    """HSTS tells browsers to use TLS for two years."""
    holds(judge_web.hsts(proxy.ask(PING)))


def test_the_proxy_keeps_its_version_to_itself(proxy: Outside) -> None:
    """The proxy does not send its version."""
    holds(judge_web.anonymous(proxy.ask(PING)))


def test_websockets_open(seen: Seen, proxy: Outside) -> None:
    """WebSockets open for the site's own pages."""
    holds(judge_web.upgraded(*proxy.websocket(seen.settings.url)))


def test_websockets_of_foreign_pages_are_refused(proxy: Outside) -> None:
    """WebSockets from other sites' pages are refused."""
    answer, _ = proxy.websocket(FOREIGN_ORIGIN)
    holds(judge_web.status("a WebSocket from a foreign page", 403, answer))


def test_static_files_come_compressed_and_cached(seen: Seen, proxy: Outside) -> None:
    """Static files are served precompressed and may be cached for a year."""
    files = seen.answers[asking.RELEASE_FILES]
    if not files.static:
        holds([differs("web application", "a compressed script below client/", "none")])
    forms = {"gzip": "gzip"}
    if nginx.brotli_module(seen.facts):
        forms["br"] = "gzip, deflate, br, zstd"
    for form, accepted in forms.items():
        answer = proxy.ask(f"/static/{files.static}", {"Accept-Encoding": accepted})
        holds(judge_web.static(answer, files, form))


def test_static_files_are_all_that_is_served(seen: Seen, proxy: Outside) -> None:
    """No path traversal leads out of the folder of static files."""
    files = seen.answers[asking.RELEASE_FILES]
    if not files.outside:
        holds([differs("release", "a file beside client/ to ask for", "none")])
    paths = [climb.format(path=files.outside) for climb in judge_web.CLIMBS]
    holds(judge_web.stays_inside([(path, proxy.ask(path)) for path in paths], files))


def test_the_proxy_serves_its_current_configuration(seen: Seen) -> None:
    """The proxy serves its current configuration."""
    holds(current_files(nginx.UNIT, seen.answers[asking.NGINX_FILES]))


def test_its_workers_may_open_enough_files(seen: Seen, record_property: Recorder) -> None:
    """Its workers may open as many files as configured."""
    main = seen.main_process(nginx.UNIT)
    workers = [one for one in seen.processes.values() if main and one.parent == main.pid]
    configured = sizing.nginx(seen.settings.users).open_files
    expected = bounded_by_container(seen, configured, record_property)
    holds(open_files("NGINX's worker", workers, expected))


def test_its_account_is_no_administrator(seen: Seen) -> None:
    """Its account is locked, for its service alone, and in no group of administrators."""
    user = seen.facts.family.nginx.user
    holds(account(Wanted(user), seen.answers[Account(user)]))
