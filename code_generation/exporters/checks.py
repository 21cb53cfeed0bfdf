"""What keeps a result out of every training file, in this order: filter, gaming, leaks, contamination, duplicates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from code_generation.certificate import sha256_text, tests_sha256
from code_generation.curation.filters import parse_filter
from code_generation.curation.fingerprints import DuplicateIndex
from code_generation.curation.gaming import excluding, signs
from code_generation.curation.leaks import find_leaks, leaked_values
from code_generation.exporters.facts import KNOWN, OF_PROBLEM, facts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from code_generation.curation.contamination import Hit
    from code_generation.curation.leaks import Leak, PrivateValues
    from code_generation.exporters.conversation import Conversation, Reason
    from code_generation.exporters.formats import Format
    from code_generation.exporters.options import ExportOptions
    from code_generation.models import CodeProblem, JsonValue, Message

EXAMPLES = 20
"""Findings of a kind that are told one by one; all are counted."""
PREPARED = 64
"""Problems whose private values are kept at hand."""


@dataclass
class Findings:
    """What checks found."""

    counts: Counter[str] = field(default_factory=Counter)
    """`gaming: reads_tests` 3, `duplicate: near` 12, ...; also what was seen and let through, as `noted`."""
    examples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """The first of each reason: `{"result": "solutions.jsonl:7", "kind": "reads_tests", "what": "..."}`."""
    hits: dict[tuple[str, ...], Hit] = field(default_factory=dict)
    """In evaluation sets, each once."""


def merged(parts: Iterable[Findings]) -> Findings:
    """Findings of several processes as those of one, but that the examples are not in the order of the rows."""
    whole = Findings()
    for part in parts:
        whole.counts += part.counts
        for reason, told in part.examples.items():
            whole.examples.setdefault(reason, []).extend(told)
        whole.hits |= part.hits
    for told in whole.examples.values():
        del told[EXAMPLES:]
    return whole


def needs_problems(options: ExportOptions) -> bool:
    """Whether the filter asks what only all results of a problem can say."""
    return options.where is not None and bool(parse_filter(options.where, KNOWN).fields & OF_PROBLEM.keys())


def write_hits(options: ExportOptions, found: Findings) -> int | None:
    """Write the review file where one was asked for; returns its rows."""
    if options.review is None:
        return None
    from code_generation.curation import contamination  # noqa: PLC0415 - needed only where it is asked for

    return contamination.write_review(options.review, found.hits.values(), contamination.read_review(options.review))


class Checks:
    """Judges results in the order in which they come; a duplicate is what comes later."""

    def __init__(self, options: ExportOptions, form: Format) -> None:
        """Read what the options name.

        Raises:
            ConfigError: a filter that can't be read. DataError: a file of another kind.
        """
        self._options, self._form = options, form
        self._filter = parse_filter(options.where, KNOWN) if options.where is not None else None
        self._codes = None if options.keep_duplicates or form.gather == "problems" else DuplicateIndex()
        self._values = lru_cache(maxsize=PREPARED)(self._prepare)
        self._found = lru_cache(maxsize=PREPARED)(self._find)
        self._problem: CodeProblem | None = None
        self.findings = Findings()
        self._evaluation = _Evaluation(options, self.findings) if options.decontaminate else None

    def lets_through(self, conversation: Conversation, of_problem: Mapping[str, JsonValue]) -> bool:
        """Whether the filter does."""
        if self._filter is None:
            return True
        return self._filter.matches({**facts_of(conversation, self._filter.fields), **of_problem})

    def judge(self, conversation: Conversation, key: str) -> Reason | None:
        """What is against a result that has pieces; `key` is its name in what is told."""
        code = conversation.result.final_code if conversation.verified_by else None
        code = None if self._form.gather == "problems" else code
        if code is not None and self._games(conversation, code, key):
            return "gaming"
        if self._leaks(conversation, key):
            return "leak"
        if self._contaminated(conversation, code, key):
            return "contaminated"
        return "duplicate" if self._repeats(conversation, key) else None

    def _games(self, conversation: Conversation, code: str, key: str) -> bool:
        if conversation.result.problem.wants_patch:
            return False  # a patch is no program, and no test of ours is worked against
        found = signs(code, conversation.result.problem)
        against = excluding(found)
        for sign in {s.kind: s for s in found}.values():
            self._tell("gaming" if sign in against else "noted gaming", sign.kind, key, sign.what)
        return bool(against) and not self._options.include_gaming

    def _leaks(self, conversation: Conversation, key: str) -> bool:
        shown: list[Message] = self._form.shown(conversation) if self._form.shown else conversation.opening
        self._problem, certificate = conversation.result.problem, conversation.result.certificate
        tests = certificate.tests_sha256 if certificate else tests_sha256(self._problem)
        leaks = self._found(tests, self._problem.problem, tuple((m.role, m.content) for m in shown))
        if leaks:
            first = leaks[0]
            self._tell("leak", first.part, key, f"{first.where}: {first.part} of test {first.test}: {first.found}")
        return bool(leaks)

    def _find(self, tests: str, statement: str, shown: tuple[tuple[str, str], ...]) -> list[Leak]:
        """The errors among messages; samples of a problem have their opening in common."""
        values = self._values(tests, statement)
        found = find_leaks(values, [{"role": role, "content": content} for role, content in shown])
        return [leak for leak in found if leak.severity == "error"]

    def _prepare(self, _tests: str, _statement: str) -> PrivateValues:
        assert self._problem is not None  # noqa: S101 - set by the only caller
        return leaked_values(self._problem)

    def _contaminated(self, conversation: Conversation, code: str | None, key: str) -> bool:
        against = self._evaluation.against(conversation.result.problem, code) if self._evaluation else []
        for hit in against[:1]:
            about = f"{hit.problem_id} in {hit.against} ({hit.against_id}): {hit.evidence}"
            self._tell("contaminated", hit.kind, key, about)
        return bool(against)

    def _repeats(self, conversation: Conversation, key: str) -> bool:
        code = conversation.result.final_code
        if self._codes is None or code is None:
            return False
        within = f"{conversation.result.problem.problem_id}\n{conversation.verified_by is not None}"
        if self._form.repeats == "conversation":
            earlier = [a.code for a in conversation.result.attempts[:-1] if a.code is not None]
            within += "\n".join(["", *(sha256_text(first.strip()) for first in earlier[:1])])
        again = self._codes.add(key, code, within=within)
        if again is not None:
            self.findings.counts[f"duplicate: {again.kind}"] += 1
        return again is not None

    def _tell(self, reason: str, kind: str, key: str, what: str) -> None:
        self.findings.counts[f"{reason}: {kind}"] += 1
        told = self.findings.examples.setdefault(reason, [])
        if len(told) < EXAMPLES:
            told.append({"result": key, "kind": kind, "what": what})

    def close(self) -> None:
        """Give back the memory of codes."""
        if self._codes is not None:
            self._codes.close()


class _Evaluation:
    """Evaluation sets, and what a review says of hits in them."""

    def __init__(self, options: ExportOptions, found: Findings) -> None:
        from code_generation.curation import contamination  # noqa: PLC0415 - needed only where it is asked for

        self._sets = contamination.read_evaluation_sets(options.decontaminate)
        self._review = contamination.read_review(options.review) if options.review else None
        self._found = found

    def against(self, problem: CodeProblem, code: str | None) -> list[Hit]:
        """Hits that nobody has decided to keep."""
        hits = self._sets.hits(problem.problem_id, problem.problem, [] if code is None else [code])
        for hit in hits:
            self._found.hits.setdefault((hit.problem_id, hit.against, hit.against_id, hit.kind), hit)
        return [hit for hit in hits if self._review is None or not self._review.keeps(hit)]
