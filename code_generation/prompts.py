"""Prompts: text files with ids, strict placeholders, and the messages made of them. No prompt text lives in code.

A prompt file is `<folder>/<kind>/<id>.md`; where a function, a program and a patch are asked for in different words
there is one for each, `<id>.function.md`, `<id>.program.md` and `<id>.patch.md`. A placeholder is `{{name}}`; one that
the code does not know, and a value that a prompt leaves out although it is needed, are errors. Values go in once: `{{`
inside a statement stays as it is.

Everything here takes `ProblemView` and `GradeView`: a private test has no way in.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from code_generation.errors import ConfigError, DataError, UnknownName, boundary
from code_generation.literals import from_json, is_python, parse_arguments, render_literal
from code_generation.models import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from code_generation.models import GradeView, JsonValue, ProblemView, PublicFailure, TestCase

MAX_FAILURES = 3
"""Public failures that one feedback message shows."""
MAX_TEXT = 2000
"""Characters of one input, answer or error in a feedback message."""

OPENING_VALUES = ("statement", "func_name", "kind", "starter_code")
CODE, PATCHES = ("function", "program"), ("patch",)
"""Variants of the opening prompt, by what a run asks for."""
FEEDBACK_VALUES = {
    "failed": ("passed", "total", "failures", "private"),
    "wrong_answer": ("input", "expected", "got", "error", "status"),
    "error": ("input", "expected", "got", "error", "status"),
    "private": ("failed", "total"),
    "no_code": (),
}

ALIASES = {"direct": "basic"}
"""What others call a prompt of ours; rows keep the name that was asked for."""

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def packaged_folder(installed: str, beside: str) -> Path:
    """A data folder of the project: inside the package in a wheel, beside it in a checkout."""
    shipped = Path(str(files("code_generation"))) / installed
    return shipped if shipped.is_dir() else Path(__file__).parents[1] / beside


@dataclass(frozen=True)
class Prompt:
    """One prompt text."""

    prompt_id: str
    text: str

    @property
    def sha256(self) -> str:
        """Hash of the text, hexadecimal: rows carry it, so that an edited prompt shows."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

    def check(self, known: Iterable[str], needed: Iterable[str] = ()) -> None:
        """Look at the placeholders.

        Raises:
            ConfigError: one that is not known, or a needed one that is not there.
        """
        names = set(_PLACEHOLDER.findall(self.text))
        if unknown := sorted(names - set(known)):
            listed = ", ".join(sorted(known)) or "none"
            msg = f"prompt {self.prompt_id!r}: unknown placeholder {unknown[0]!r}; known: {listed}"
            raise ConfigError(msg)
        if left_out := [n for n in needed if n not in names]:
            msg = f"prompt {self.prompt_id!r} does not use the placeholder {left_out[0]!r}, which it must"
            raise ConfigError(msg)

    def render(self, values: Mapping[str, str], *, needed: tuple[str, ...] = ()) -> str:
        """Fill in the placeholders.

        Raises:
            ConfigError: a placeholder without a value, or a needed value without a placeholder.
        """
        self.check(values, needed)
        return _PLACEHOLDER.sub(lambda m: values[m[1]], self.text)


class PromptLibrary:
    """Finds prompts by kind and id: in one's own folder first, then among those shipped."""

    def __init__(self, own: Path | None = None) -> None:
        """`own` is a folder laid out like `prompts/`; what it lacks comes from there.

        Raises:
            ConfigError: it is no folder.
        """
        if own is not None and not own.is_dir():
            msg = f"prompts folder {own} does not exist"
            raise ConfigError(msg)
        self._folders = [*([own] if own else []), packaged_folder("_prompts", "prompts")]

    def get(self, kind: str, prompt_id: str, variant: str = "") -> Prompt:
        """The prompt of that id, in the variant (`function`, `program` or `patch`) where there are several.

        Raises:
            UnknownName: no such id; lists those there are.
        """
        names = [
            name
            for known in dict.fromkeys((prompt_id, ALIASES.get(prompt_id, prompt_id)))
            for name in ([f"{known}.{variant}.md"] if variant else []) + [f"{known}.md"]
        ]
        for folder in self._folders:
            for name in names:
                path = folder / kind / name
                if Path(name).name == name and path.is_file():
                    with boundary(ConfigError, f"prompt {path} can't be read", OSError, UnicodeDecodeError):
                        return Prompt(prompt_id, path.read_text(encoding="utf-8").strip())
        raise UnknownName(f"{kind} prompt", prompt_id, self.ids(kind))

    def ids(self, kind: str) -> list[str]:
        """All ids of a kind."""
        found = (p.name.partition(".")[0] for f in self._folders for p in (f / kind).glob("*.md"))
        return sorted(set(found))


@dataclass(frozen=True)
class PromptSet:
    """The prompts of a run, chosen once."""

    library: PromptLibrary
    system_prompt_id: str = "helpful_coder"
    prompt_id: str = "basic"
    variants: tuple[str, ...] = CODE
    """Variants of the opening prompt that the run needs."""

    @cached_property
    def system(self) -> Prompt:
        """The system prompt."""
        return self.library.get("system", self.system_prompt_id)

    def generation(self, problem: ProblemView) -> Prompt:
        """The opening prompt for this kind of problem."""
        variant = "patch" if problem.wants_patch else "function" if problem.func_name else "program"
        return self.library.get("generation", self.prompt_id, variant)

    def check(self) -> None:
        """Look at every prompt of the run before anything is spent.

        Raises:
            UnknownName: one of the ids does not exist. ConfigError: a placeholder that no value fits.
        """
        self.system.check(())
        for variant in self.variants:
            self.library.get("generation", self.prompt_id, variant).check(OPENING_VALUES, ("statement",))
        for prompt_id, values in FEEDBACK_VALUES.items():
            self.library.get("feedback", prompt_id).check(values)

    def all(self) -> dict[str, Prompt]:
        """Every prompt that a run may use: `{"system/helpful_coder": ..., "generation/basic.function": ..., ...}`."""
        opening = {
            f"generation/{self.prompt_id}.{variant}": self.library.get("generation", self.prompt_id, variant)
            for variant in self.variants
        }
        feedback = {f"feedback/{prompt_id}": self.library.get("feedback", prompt_id) for prompt_id in FEEDBACK_VALUES}
        return {f"system/{self.system_prompt_id}": self.system, **opening, **feedback}

    def metadata(self, problem: ProblemView) -> dict[str, str]:
        """Ids and hashes for the row."""
        return {
            "prompt_id": self.prompt_id,
            "prompt_sha256": self.generation(problem).sha256,
            "system_prompt_id": self.system_prompt_id,
            "system_prompt_sha256": self.system.sha256,
        }


def opening_messages(problem: ProblemView, prompts: PromptSet) -> list[Message]:
    """System prompt and first question."""
    starter = (
        f"Start from this code:\n\n```python\n{problem.starter_code.rstrip()}\n```\n" if problem.starter_code else ""
    )
    values = {
        "statement": problem.statement.strip() if problem.prompt is None else problem.prompt,
        "func_name": problem.func_name or "",
        "kind": "class" if problem.class_name and problem.class_name == problem.func_name else "function",
        "starter_code": starter,
    }
    question = prompts.generation(problem).render(values, needed=("statement",))
    system = prompts.system.render({})
    return [*([Message(role="system", content=system)] if system else []), Message(role="user", content=question)]


def feedback_message(view: GradeView | None, prompts: PromptSet, func_name: str | None = None) -> Message:
    """What the model is told about its code: public failures in full, private ones as a count; None: no code was
    found.
    """
    library = prompts.library
    if view is None:
        return Message(role="user", content=library.get("feedback", "no_code").render({}))
    shown = [_render_failure(f, func_name, library) for f in view.public_failures[:MAX_FAILURES]]
    private = ""
    if view.n_private_failed:
        counts = {"failed": str(view.n_private_failed), "total": str(view.n_private)}
        private = library.get("feedback", "private").render(counts) + "\n\n"
    values = {
        "passed": str(view.n_public - len(view.public_failures)),
        "total": str(view.n_public),
        "failures": "".join(f"{s}\n\n" for s in shown),
        "private": private,
    }
    return Message(role="user", content=library.get("feedback", "failed").render(values))


def _render_failure(failure: PublicFailure, func_name: str | None, library: PromptLibrary) -> str:
    test, outcome = failure.test, failure.outcome
    values = {
        "input": _clip(render_input(test, func_name)),
        "expected": _clip(render_expected(test)),
        "got": _clip(outcome.got) or "(nothing)",
        "error": _clip(outcome.error),
        "status": outcome.status.replace("_", " "),
    }
    name = "wrong_answer" if outcome.status == "wrong_answer" else "error"
    return library.get("feedback", name).render(values).rstrip()


def render_input(test: TestCase, func_name: str | None) -> str:
    """A test's input as a person would write it: text, a call, or the assertion."""
    if test.type == "functional":
        return render_call(test.input, func_name or "f")
    return str(test.input)


def render_expected(test: TestCase) -> str:
    """A test's expected value as text."""
    if test.type == "assert":
        return "no assertion fails"
    return str(test.output) if test.type == "stdin" else render_value(test.output)


def render_call(arguments: JsonValue, func_name: str) -> str:
    """`[[1, 2], 3]` and `f` -> `f([1, 2], 3)`."""
    if isinstance(arguments, str):
        arguments = parse_arguments(arguments)
    args: list[Any] = arguments if isinstance(arguments, list) else []
    kwargs: dict[str, Any] = {}
    if isinstance(arguments, dict) and not is_python(arguments):
        args, kwargs = arguments.get("args", []), arguments.get("kwargs", {})
    elif is_python(arguments):
        args = list(from_json(arguments))
    return (
        f"{func_name}({', '.join([*map(render_value, args), *(f'{k}={render_value(v)}' for k, v in kwargs.items())])})"
    )


def render_value(node: JsonValue) -> str:
    """A JSON value as Python source."""
    try:
        return render_literal(from_json(node))
    except (ValueError, DataError):
        return repr(node)


def render_test(test: TestCase, func_name: str | None) -> str:
    """A whole test as text for a statement: an assertion, or sample input and output."""
    match test.type:
        case "assert":
            return str(test.input)
        case "functional":
            return f"assert {render_call(test.input, func_name or 'f')} == {render_value(test.output)}"
    return f"Input:\n{str(test.input).rstrip()}\n\nOutput:\n{str(test.output).rstrip()}"


def _clip(text: str) -> str:
    """Fit for a prompt: no control characters or lone surrogates, the middle cut out where it is long."""
    text = _CONTROL.sub("\ufffd", text).rstrip()
    if len(text) <= MAX_TEXT:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
