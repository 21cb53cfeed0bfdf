"""Examples that a model finds in a statement. Each answer is on disk before it is used, so that none is paid for twice:
`OUT.answers.jsonl` beside the output is a journal (see `journal`).

The model is shown a `ProblemView` only. What it says is data: it is read as JSON or as literals, and is a proposal, no
test; see `public_tests`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - the command line reads the annotations
from typing import TYPE_CHECKING, Any, Literal, Self

from code_generation.errors import ConfigError, DataError, Hopeless, ProviderError
from code_generation.journal import Journal
from code_generation.jsonl import JsonlWriter, decode, keep_backup, print_error
from code_generation.literals import from_json, read_literal, to_json
from code_generation.models import Message, Request
from code_generation.prompts import PromptLibrary
from code_generation.providers import choose_model, open_provider
from code_generation.statements.calls import read_arguments
from code_generation.statements.examples import Example

if TYPE_CHECKING:
    from code_generation.models import JsonValue, ProblemView, Sampling
    from code_generation.prompts import Prompt
    from code_generation.protocols import Provider
    from code_generation.providers import ModelOptions

Form = Literal["program", "function"]
VALUES = ("statement", "func_name", "starter_code")
"""Placeholders of an extraction prompt."""
LONGEST_ANSWER = 200_000
"""Characters of an answer; a longer one is not read."""
GIVEN = ("input", "args", "arguments", "inputs", "stdin")
WANTED = ("output", "expected_output", "expected", "result", "return", "stdout")
"""What models call the two sides of an example."""


@dataclass(frozen=True, kw_only=True)
class ExtractionOptions:
    """How a model is asked for the examples of statements that show them in no known form."""

    extraction_prompt_id: str = "public_tests"
    """Prompt that asks a model for the examples of a statement, by id."""
    prompts_dir: Path | None = None
    """Folder with prompts of one's own, laid out like prompts/; what it lacks comes from there."""
    max_concurrent: int = 60
    """Problems under way at a time."""
    force: bool = False
    """Ask the model anew; earlier answers are kept beside as .bak."""


def answers_path(output: Path) -> Path:
    """`problems.jsonl` -> `problems.jsonl.answers.jsonl`."""
    return output.with_name(f"{output.name}.answers.jsonl")


class Extraction:
    """A model that is asked for examples: `propose` for each problem."""

    def __init__(
        self, provider: Provider, prompts: dict[Form, Prompt], sampling: Sampling, journal: Journal | None
    ) -> None:
        """Ask a provider; without a journal nothing is kept."""
        self.model = f"{provider.name}:{provider.model}"
        self.prompts = prompts
        self.failures: Counter[str] = Counter()
        """Texts of the provider's errors."""
        self._counts: Counter[str] = Counter()
        self._provider, self._sampling, self._journal = provider, sampling, journal

    @classmethod
    def open(cls, model: ModelOptions, options: ExtractionOptions, output: Path) -> Self:
        """Make ready to ask, everything checked before anything is spent; `output` is where the problems will go.

        Raises:
            ConfigError: no key, a prompt or a number that is none, a file that can't be written or holds something
                else. UnknownName: no such provider, no such prompt.
        """
        if options.max_concurrent < 1:
            msg = f"--max-concurrent must be at least 1, got {options.max_concurrent}"
            raise ConfigError(msg)
        choice = choose_model(model)
        if choice.provider == "scripted":
            msg = f"{choice!r} answers with code, not with examples; replay:FILE works offline"
            raise ConfigError(msg)
        library, forms = PromptLibrary(options.prompts_dir), list[Form](["program", "function"])
        prompts = {form: library.get("extraction", options.extraction_prompt_id, form) for form in forms}
        for prompt in prompts.values():
            prompt.check(VALUES, ("statement",))
        journal = None
        if choice.endpoint is not None:  # a file of recorded answers costs nothing, and may change
            path = answers_path(output)
            if options.force and path.exists():
                JsonlWriter(path).close()  # not under the hands of another run
                print_error(f"{path} kept as {keep_backup(path)}")
            journal = Journal(path)
        provider = open_provider(choice, model, {}, max_concurrent=options.max_concurrent, journal=journal)
        return cls(provider, prompts, choice.sampling, journal)

    @property
    def counts(self) -> Counter[str]:
        """`asked` now, `kept` from an earlier run, `unreadable`, `refused`, `failed`."""
        calls = self._provider.report()
        answers = {"asked": calls.get("answers_bought", 0), "kept": calls.get("answers_from_journal", 0)}
        return self._counts + Counter(answers)

    async def propose(self, view: ProblemView, form: Form, parameters: list[str] | None = None) -> list[Example]:
        """The examples that the model finds; none where it refuses, fails, or can't be understood, which is counted.

        Raises:
            Hopeless: it can't work at all.
        """
        question = Message(role="user", content=self.prompts[form].render(_values(view), needed=("statement",)))
        request = Request(messages=[question], sampling=self._sampling, problem_id=view.problem_id, last_turn=True)
        try:
            completion = await self._provider.complete(request)
        except Hopeless:
            raise
        except ProviderError as e:
            self._counts["failed"] += 1
            self.failures[str(e)] += 1
            return []
        if completion.refusal is not None:
            self._counts["refused"] += 1
            return []
        found = read_answer(completion.text, form, parameters)
        self._counts["unreadable"] += found is None
        return found or []

    async def close(self) -> None:
        """Give back connections and the file."""
        await self._provider.close()
        if self._journal is not None:
            await self._journal.close()


def _values(view: ProblemView) -> dict[str, str]:
    code = (view.starter_code or "").rstrip()
    shown = f"It begins like this:\n\n```python\n{code}\n```\n\n" if code and code.strip() not in view.statement else ""
    return {"statement": view.statement.strip(), "func_name": view.func_name or "", "starter_code": shown}


# ------------------------------------------------------------------------------------------------ answers


def read_answer(text: str, form: Form, parameters: list[str] | None = None) -> list[Example] | None:
    """The examples of an answer: of the last block that is a list, else of the text, else of what stands between its
    first and last square bracket. None where there is no list; an element that is no example is left out.
    """
    if len(text) > LONGEST_ANSWER:
        return None
    blocks = re.split(r"^[ \t>]*(?:`{3,}|~{3,}).*$", text, flags=re.MULTILINE)[1::2]
    bracketed = text[text.find("[") : text.rfind("]") + 1] if "[" in text else ""
    for candidate in (*reversed(blocks), text, bracketed):
        items = _list_of(candidate)
        if items is not None:
            examples = (_example(item, form, parameters) for item in items if isinstance(item, dict))
            return [e for e in examples if e is not None]
    return None


def _list_of(text: str) -> list[Any] | None:
    """A list as JSON or as a Python literal; also one that stands alone in an object."""
    try:
        value = decode(text)
    except ValueError:
        try:
            value = read_literal(text)
        except ValueError:
            return None
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    return value if isinstance(value, list) else None


def _example(item: dict[str, Any], form: Form, parameters: list[str] | None) -> Example | None:
    given = next((item[k] for k in GIVEN if k in item), None)
    wanted = next((k for k in WANTED if k in item), None)
    if given is None or wanted is None:
        return None
    if form == "program":
        read, printed = _text(given), _text(item[wanted])
        return None if read is None or not printed else Example(read, printed)
    try:
        arguments = _arguments(given, parameters)
        return None if arguments is None else Example(_canonical(arguments), _canonical(item[wanted]))
    except (DataError, ValueError, RecursionError):
        return None


def _text(value: Any) -> str | None:
    """Text that ends with its line; a list of lines and a number are text too."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    return f"{value.rstrip()}\n" if value.strip() else ""


def _arguments(given: Any, parameters: list[str] | None) -> list[JsonValue] | None:
    """Positional arguments: a list, named ones by their parameters, or a call's source."""
    if isinstance(given, str):
        return read_arguments(given, parameters)
    if isinstance(given, dict) and given.keys() == set(parameters or []):
        return [given[name] for name in parameters or []]
    if not isinstance(given, list):
        return None
    alone = parameters is not None and len(parameters) == 1 != len(given)
    return [given] if alone else given


def _canonical(value: JsonValue) -> JsonValue:
    """A value in the one JSON form that it has. Raises DataError or ValueError where it holds what can't be said."""
    python = from_json(value)
    return to_json(python) if not isinstance(value, list) else [to_json(v) for v in python]
