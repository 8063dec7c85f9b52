"""A repository's public key: fetched once, and accepted only with its fingerprint."""

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from mattermost_host.engine.batch import Question
from mattermost_host.engine.explanations import Change, explain
from mattermost_host.engine.questions import ask, changing, expect
from mattermost_host.knowledge.families import Key

NOTES = "/etc/mattermost-host"
FETCH_LIMIT_S = 60


@dataclass(frozen=True)
class HasKey(Question[bool]):
    """Whether the key's file is the one whose fingerprint was verified."""

    about = "the key {key.path}"

    key: Key

    @property
    def note(self) -> str:
        """Digest and path of the verified file, as sha256sum writes them."""
        return f"{NOTES}/{self.key.path.rpartition('/')[2]}.{self.key.fingerprint}"

    def script(self) -> str:
        return f"sha256sum -c --status {self.note} && echo yes"

    def parse(self, lines: list[str]) -> bool:
        return lines == ["yes"]


def present(name: str, key: Key) -> OperationMeta:
    """Keep the file of ``key``, which must contain exactly the key with its fingerprint."""
    expect(HasKey(key))
    return _present(name=name, question=HasKey(key))


@operation()
def _present(question: HasKey) -> Generator[StringCommand, None, None]:
    if ask(question):
        host.noop("the key is there")
        return
    explain(Change(question.key.path, "is not the key that was verified", severity="critical"))
    yield from changing(StringCommand(_script(question)))


def _script(question: HasKey) -> str:
    key = question.key
    return f"""set -eu
umask 022
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
curl -fsS --proto =https --max-time {FETCH_LIMIT_S} -o "$stage/key" {key.url} || {{
  echo "{key.url} can't be fetched by this host, see above." >&2
  exit 1
}}
found=$(gpg --homedir "$stage" --batch --with-colons --show-keys "$stage/key" |
  awk -F: '$1 == "pub" {{ first = 1 }} $1 == "fpr" && first {{ print $10; first = 0 }}')
[ "$found" = {key.fingerprint} ] || {{
  echo "{key.url} has the key" $found "and not {key.fingerprint}: it is not accepted." >&2
  exit 1
}}
install -D -m 644 "$stage/key" {key.path}
sha256sum {key.path} > {question.note}"""
