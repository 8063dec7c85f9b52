"""Questions to a host, many in one script, and their answers out of what it prints.

All are asked at once. Where one hangs, those without an answer are asked once more, each with a
limit of time of its own: whoever may write a folder can put something there that is read for ever.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from mattermost_host.engine.shell import limited, shares, side_by_side

MARKER = "=mattermost-host="
TOGETHER_S = 30
"""Seconds for all questions at once, of which honest ones need a fraction."""
ALONE_S = 60
"""Seconds for a question that was not answered among the others."""

T = TypeVar("T")


class Question(ABC, Generic[T]):
    """A read-only shell script and the reading of what it prints. Equal questions are one.

    It runs with the environment of ``shell.FIXED`` and without standard input. It has to read
    plain files only: a pipe or a device has no end.
    """

    about: ClassVar[str] = ""
    """What it asks about, in words; a field's name in braces is its value."""
    waits: ClassVar[bool] = False
    """Whether it may wait for a process that hangs: all such questions wait at the same time."""

    @abstractmethod
    def script(self) -> str:
        """POSIX shell that changes nothing and prints the answer."""

    @abstractmethod
    def parse(self, lines: list[str]) -> T:
        """Turn the printed lines into the answer; must cope with none (nothing installed yet)."""

    @classmethod
    def joined(cls, questions: Sequence[Any]) -> "Question[Any] | None":
        """One question that asks what ``questions``, all of this class, do; None where no saving.

        ``part`` gives each of them its own answer back.
        """
        return None

    def part(self, answer: Any) -> T:
        """This question's part of the answer to a joined one."""
        answered: T = answer
        return answered

    @property
    def functions(self) -> str:
        """Shell functions that the script calls; alike questions send them once."""
        return ""

    @property
    def subject(self) -> str:
        """What is asked about, for the sentence that says that there was no answer."""
        return self.about.format(**vars(self))


Answers = Mapping[Question[Any], Any]
Send = Callable[[str], Iterable[str]]
"""Runs a script as root on a host and gives the lines that it prints."""


def told(questions: Sequence[Question[Any]], send: Send) -> dict[Question[Any], Any]:
    """The answers to ``questions``, without those that a host can't give (see ``unanswered``)."""
    answers = unpacked(questions, send(packed(questions)))
    left = [question for question in questions if question not in answers]
    if left:
        answers |= unpacked(left, send(packed(left, alone=True)), alone=True)
    return answers


def packed(questions: Sequence[Question[Any]], *, alone: bool = False) -> str:
    """One script that asks all; ``alone``: none is joined, each has its own limit of time."""
    if alone:
        scripts = [_alone(question) for question in questions]
        return f"echo '{MARKER}'\n{side_by_side(shares(scripts))}\n:"
    dealt = _dealt(questions)
    asked = [question for share in dealt for question, _ in share]
    shared = {text: f"shared_{at}" for at, text in enumerate(_functions(asked))}
    definitions = [f"{name}() {{\n{text}\n}}" for text, name in shared.items()]
    asking = [
        # The empty line ends an answer that does not end its last.
        [
            f"({shared.get(question.functions, ':')}\n{question.script()}\n) 2>/dev/null\n"
            f"printf '\\n{MARKER}\\n'"
            for question, _ in share
        ]
        for share in dealt
    ]
    script = "\n".join([*definitions, f"echo '{MARKER}'", side_by_side(asking)])
    return f"{limited(script, TOGETHER_S)}\n:"


def _alone(question: Question[Any]) -> str:
    script = f"(\n{question.functions}\n{question.script()}\n) 2>/dev/null; exit 0"
    return (
        f"{limited(script, ALONE_S)}\n"
        f"if [ $? -eq 0 ]; then printf '\\n{MARKER}\\n'; else printf '\\n{MARKER} none\\n'; fi"
    )


def _functions(questions: Sequence[Question[Any]]) -> list[str]:
    return [text for text in dict.fromkeys(question.functions for question in questions) if text]


def unpacked(
    questions: Sequence[Question[Any]], lines: Iterable[str], *, alone: bool = False
) -> dict[Question[Any], Any]:
    """The answers in what ``packed`` printed; what was cut off is not among them."""
    found: dict[Question[Any], Any] = {}
    together = [sent for share in _dealt(questions) for sent in share]
    sent = [(one, [one]) for one in questions] if alone else together
    for (asked, parts), answer in zip(sent, _sections(lines), strict=False):
        if answer is not None:
            found |= _understood(asked, parts, answer)
    return found


def _understood(
    asked: Question[Any], parts: Sequence[Question[Any]], answer: list[str]
) -> dict[Question[Any], Any]:
    """The answers to ``parts``; none where the host printed what no program of its kind does."""
    try:
        whole = asked.parse(answer)
        return {question: question.part(whole) for question in parts}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def _sections(lines: Iterable[str]) -> Iterator[list[str] | None]:
    """What stands between the markers; None for a question that had no time left."""
    section: list[str] | None = None
    for line in lines:
        if not line.startswith(MARKER):
            if section is not None:
                section.append(line)
            continue
        if section is not None:
            if section[-1:] == [""]:
                section.pop()
            yield section if line == MARKER else None
        section = []


_Sent = tuple[Question[Any], list[Question[Any]]]


def _dealt(questions: Sequence[Question[Any]]) -> list[list[_Sent]]:
    """What is sent, in the shares that are asked at the same time."""
    sent = _joined(questions)
    return shares([one for one in sent if not one[0].waits], [one for one in sent if one[0].waits])


def _joined(questions: Sequence[Question[Any]]) -> list[_Sent]:
    """The questions to send, and those that each of them answers."""
    kinds: dict[type[Question[Any]], list[Question[Any]]] = {}
    for question in questions:
        kinds.setdefault(type(question), []).append(question)
    sent: list[_Sent] = []
    for kind, alike in kinds.items():
        together = kind.joined(alike)
        sent += [(together, alike)] if together else [(one, [one]) for one in alike]
    return sent


def unanswered(asked: Sequence[Question[Any]], answers: Answers) -> str:
    """What kept a host that did not answer all; completes the sentence that its name begins."""
    silent = [question.subject for question in asked if question not in answers]
    return (
        f"gave no answer within {ALONE_S} s, or none that can be understood, about "
        f"{' and about '.join(silent)}. Look there for a file that can't be read to its end "
        "(a named pipe, a device, a file system that hangs), or a program whose output is unusual"
    )
