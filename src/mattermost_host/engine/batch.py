"""Ask a host many questions in one script, and parse the answers from its output.

If one of them hangs, those without an answer are asked once more, each with its own time limit: a
user who can write to a folder may put a file there that never ends.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from mattermost_host.engine.shell import limited, shares, side_by_side

MARKER = "=mattermost-host="
TOGETHER_S = 30
"""Time limit for all questions together; normally they need a fraction of it."""
ALONE_S = 60
"""Time limit for a question that is asked again alone."""

T = TypeVar("T")


class Question(ABC, Generic[T]):
    """A read-only shell script and the parser of its output; equal questions are asked once.

    The script runs in the environment of ``shell.FIXED`` and without standard input. It must read
    regular files only: reading a pipe or a device may never end.
    """

    about: ClassVar[str] = ""
    """What it asks about, in words; a field's name in braces stands for its value."""
    waits: ClassVar[bool] = False
    """Whether it may wait for a process that hangs; such questions run at the same time."""

    @abstractmethod
    def script(self) -> str:
        """A POSIX shell script that changes nothing and prints the answer."""

    @abstractmethod
    def parse(self, lines: list[str]) -> T:
        """Parse the printed lines; there may be none (nothing is installed yet)."""

    @classmethod
    def joined(cls, questions: Sequence[Any]) -> "Question[Any] | None":
        """One question instead of ``questions``, all of this class; None if that saves nothing.

        ``part`` extracts each question's own answer.
        """
        return None

    def part(self, answer: Any) -> T:
        """This question's part of the answer to a joined question."""
        answered: T = answer
        return answered

    @property
    def functions(self) -> str:
        """Shell functions that the script calls; questions with the same text share one copy."""
        return ""

    @property
    def subject(self) -> str:
        """What it asks about, for the message that there was no answer."""
        return self.about.format(**vars(self))


Answers = Mapping[Question[Any], Any]
Send = Callable[[str], Iterable[str]]
"""Runs a script as root on a host and returns the lines that it prints."""


def told(questions: Sequence[Question[Any]], send: Send) -> dict[Question[Any], Any]:
    """The answers to ``questions``, without those that a host can't give (see ``unanswered``)."""
    answers = unpacked(questions, send(packed(questions)))
    left = [question for question in questions if question not in answers]
    if left:
        answers |= unpacked(left, send(packed(left, alone=True)), alone=True)
    return answers


def packed(questions: Sequence[Question[Any]], *, alone: bool = False) -> str:
    """A script that asks all questions; ``alone``: none is joined, each has its own time limit."""
    if alone:
        scripts = [_alone(question) for question in questions]
        return f"echo '{MARKER}'\n{side_by_side(shares(scripts))}\n:"
    dealt = _dealt(questions)
    asked = [question for share in dealt for question, _ in share]
    shared = {text: f"shared_{at}" for at, text in enumerate(_functions(asked))}
    definitions = [f"{name}() {{\n{text}\n}}" for text, name in shared.items()]
    asking = [
        # The newline before the marker: an answer's last line may lack one.
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
    """Parse the output of ``packed``; answers that were cut off are left out."""
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
    """The answers to ``parts``; none if the output can't be parsed."""
    try:
        whole = asked.parse(answer)
        # A question that was asked by itself has its answer already.
        return {one: whole if one is asked else one.part(whole) for one in parts}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}


def _sections(lines: Iterable[str]) -> Iterator[list[str] | None]:
    """The lines between the markers; None for a question that ran into its time limit."""
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
    """The questions to send, in shares that run at the same time."""
    sent = _joined(questions)
    return shares([one for one in sent if not one[0].waits], [one for one in sent if one[0].waits])


def _joined(questions: Sequence[Question[Any]]) -> list[_Sent]:
    """The questions to send, each with the questions that it answers."""
    kinds: dict[type[Question[Any]], list[Question[Any]]] = {}
    for question in questions:
        kinds.setdefault(type(question), []).append(question)
    sent: list[_Sent] = []
    for kind, alike in kinds.items():
        together = kind.joined(alike)
        sent += [(together, alike)] if together else [(one, [one]) for one in alike]
    return sent


def unanswered(asked: Sequence[Question[Any]], answers: Answers) -> str:
    """What a host did not answer, as the predicate of a sentence about the host."""
    silent = [question.subject for question in asked if question not in answers]
    return (
        f"gave no answer within {ALONE_S} s, or none that can be understood, about "
        f"{' and about '.join(silent)}. Look there for a file that can't be read to its end "
        "(a named pipe, a device, a file system that hangs), or a program whose output is unusual"
    )
