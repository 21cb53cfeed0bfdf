"""The types that flow through the house. Frozen, keyword-only, no I/O; on disk each is a JSON object (see `records`).

Fields without a default are always written; a field with a default is written where it differs from it. Keys that a
type does not know are kept in `extra` and written back.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

SCHEMA = 1
"""Version of the row format; rows carry it as `schema`."""

TestType = Literal["stdin", "functional", "assert"]
Status = Literal[
    "passed",
    "wrong_answer",
    "runtime_error",
    "syntax_error",
    "missing_function",
    "timeout",
    "memory_limit",
    "output_limit",
    "infra_error",
    "not_run",
]
Verdict = Literal["pass", "fail", "infra"]
Phase = Literal["syntax", "import", "run"]
Mode = Literal["isolated", "batch"]
PATCH = "patch"
"""`metadata.answer` of a problem that is answered by a patch to a repository; it has no tests that can be run here."""
JsonValue = Any
"""What `json.loads` gives: None, bool, int, float, str, list, dict."""


class Record(Struct, frozen=True, kw_only=True):
    """Base of everything that is written to disk."""

    extra: dict[str, JsonValue] = field(default_factory=dict)
    """Keys of the JSON object that this version does not know; kept and written back."""


class TestCase(Record, frozen=True, kw_only=True):
    """One test: what goes in and what must come out.

    `{"input": [[3, 1, 2]], "output": [1, 2, 3], "type": "functional", "is_public": true}`
    """

    __test__ = False  # pytest collects classes named Test*

    input: JsonValue
    """stdin: text. functional: list of positional arguments or `{"args": [...], "kwargs": {...}}`. assert: Python
    source."""
    output: JsonValue
    """stdin: text. functional: the return value. assert: null. What JSON can't say is `{"$py": "<literal>"}`."""
    type: TestType
    """How the test is run."""
    is_public: bool
    """Whether the model may see it."""
    weight: float = 1.0
    """Share in the fractional reward, relative to the other tests of the problem."""


class CodeProblem(Record, frozen=True, kw_only=True):
    """A problem with all its tests. Never goes into a prompt: `view()` does."""

    problem_id: str
    """Stable: the data set's own id, else a content hash; never a position."""
    problem: str
    """The statement."""
    solutions: list[str]
    """Reference solutions as source code; may be empty."""
    test_cases: list[TestCase]
    """Public and private tests in the data set's order."""
    metadata: dict[str, JsonValue]
    """`func_name`, `class_name`, `starter_code`, `setup_code`, `comparison`, `time_limit_s`, `memory_limit_mb`,
    `source`, ..."""

    @property
    def public_tests(self) -> list[TestCase]:
        """The tests a model may see."""
        return [t for t in self.test_cases if t.is_public]

    @property
    def private_tests(self) -> list[TestCase]:
        """The tests no model may see."""
        return [t for t in self.test_cases if not t.is_public]

    @property
    def func_name(self) -> str | None:
        """Name that the tests call; None for programs that read stdin."""
        return self.metadata.get("func_name") or self.metadata.get("class_name") or None

    @property
    def wants_patch(self) -> bool:
        """Whether the answer is a patch: then there are no tests that can be run here."""
        return not self.test_cases and self.metadata.get("answer") == PATCH

    def view(self) -> ProblemView:
        """What prompts and feedback may know of this problem."""
        return ProblemView(
            problem_id=self.problem_id,
            statement=self.problem,
            func_name=self.func_name,
            class_name=self.metadata.get("class_name"),
            starter_code=self.metadata.get("starter_code"),
            public_tests=self.public_tests,
            prompt=self.metadata.get("text") if self.wants_patch else None,
            wants_patch=self.wants_patch,
        )


class ProblemView(Struct, frozen=True, kw_only=True):
    """A problem without its private tests and references: the only form of it that a prompt accepts."""

    problem_id: str
    statement: str
    func_name: str | None
    """None: a program that reads standard input is asked for."""
    class_name: str | None
    starter_code: str | None
    public_tests: list[TestCase]
    prompt: str | None = None
    """The whole question as the data set words it, code of the repository included, where a patch is asked for; None:
    there is the statement alone."""
    wants_patch: bool = False
    """A patch is asked for, not code."""


class Message(Record, frozen=True, kw_only=True):
    """One message of a conversation: `{"role": "user", "content": "..."}`."""

    role: Literal["system", "user", "assistant"]
    content: str
    """The text of the message."""
    blocks: list[JsonValue] | None = None
    """The provider's raw content blocks (thinking, signatures), kept losslessly; None where the text is all there
    is."""


class Usage(Record, frozen=True, kw_only=True):
    """Tokens of one answer, as the provider counted them; None where it did not say."""

    input_tokens: int | None = None
    """All tokens read, cached ones included."""
    output_tokens: int | None = None
    """All tokens written, reasoning included."""
    cached_input_tokens: int | None = None
    """Part of `input_tokens` that was read from a cache."""
    cache_write_tokens: int | None = None
    """Part of `input_tokens` that was written to a cache."""
    reasoning_tokens: int | None = None
    """Part of `output_tokens` that was spent on thinking."""


class Sampling(Record, frozen=True, kw_only=True):
    """Parameters of a call; None means: not sent."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """Upper limit on the tokens of one answer, thinking included."""
    seed: int | None = None
    reasoning_effort: str | None = None
    """How hard a reasoning model thinks: `none`, `minimal`, `low`, `medium`, `high`, ...; which ones there are is the
    model's affair."""
    thinking_tokens: int | None = None
    """Tokens that a model may think, where it takes a number."""


class Request(Struct, frozen=True, kw_only=True):
    """One question to a provider, with what identifies it in a run."""

    messages: list[Message]
    sampling: Sampling
    problem_id: str
    sample_index: int = 0
    turn: int = 0
    """0 for the opening message, 1 for the first feedback, ..."""
    last_turn: bool = False
    """No further question will follow: what a service caches of this one is never read."""


class Completion(Record, frozen=True, kw_only=True):
    """A provider's answer."""

    text: str
    """The visible text; empty where the model gave none."""
    finish_reason: str | None
    """`stop`, `length`, `content_filter`, ... as the provider says it; None where it does not."""
    model: str
    """Name of the model that answered, as the provider says it."""
    usage: Usage
    cost_usd: float | None
    """None: unknown; never 0 for that."""
    latency_s: float
    """From sending the request to the last byte of the answer, seconds."""
    blocks: list[JsonValue] | None = None
    """Raw content blocks, see `Message.blocks`."""
    refusal: str | None = None
    """The provider's reason or category where the model refused; None otherwise."""
    changed: dict[str, str] = field(default_factory=dict)
    """Parameters that could not be sent as asked for, see `Answer.changed`."""

    @property
    def message(self) -> Message:
        """This answer as the next message of the conversation."""
        return Message(role="assistant", content=self.text, blocks=self.blocks)


class Outcome(Record, frozen=True, kw_only=True):
    """What became of one test."""

    status: Status
    is_public: bool
    error: str = ""
    """What happened, for people: the candidate's traceback or the reason; trimmed."""
    got: str = ""
    """The candidate's answer as text, trimmed; kept for public tests only."""
    other: Status | None = None
    """What another grader's comparison makes of the same answer, where one was asked for."""
    phase: Phase = "run"
    """How far the candidate came: `syntax` and `import` mean that it did not get to be tested."""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    memory_mb: float = 0.0


class Grade(Record, frozen=True, kw_only=True):
    """The judgement of one candidate over all tests of its problem, in the order of `problem.test_cases`."""

    verdict: Verdict
    """`pass`: at least one test, and every test passed. `infra`: the box failed; never counts as wrong."""
    n_passed: int
    n_tests: int
    reward: float
    """1.0 iff verdict is pass, else 0.0."""
    fraction: float
    """Weighted share of the tests that passed, 0 to 1."""
    outcomes: list[Outcome]
    executor: str = ""
    """Which executor ran it, `subprocess` for instance."""
    isolation: str = ""
    """Level of isolation it ran under: `full`, `restricted` or `weak`."""
    mode: Mode = "isolated"
    """`isolated`: every test had a process of its own. `batch`: those that passed may have shared one."""
    flaky: bool = False
    """Run again, some test had another outcome; only what passed both times counts as passed."""

    @property
    def phases(self) -> dict[str, Status]:
        """What became of `syntax`, `import`, `public` and `private`: `passed`, the first other status, or `not_run`.

        {"syntax": "passed", "import": "passed", "public": "passed", "private": "wrong_answer"}
        """
        found: dict[str, Status] = dict.fromkeys(("syntax", "import", "public", "private"), "not_run")
        for phase in ("syntax", "import"):
            stopped = next((o.status for o in self.outcomes if o.phase == phase), None)
            found[phase] = stopped or "passed"
            if stopped:
                return found
        for name in ("public", "private"):
            mine = [o.status for o in self.outcomes if o.is_public is (name == "public")]
            found[name] = next((s for s in mine if s != "passed"), "passed") if mine else "not_run"
        return found

    @property
    def other_verdict(self) -> Verdict | None:
        """The verdict by the other grader's comparison; None where none was asked for."""
        others = [o.other for o in self.outcomes]
        if None in others:
            return None
        return "infra" if "infra_error" in others else "pass" if others and set(others) == {"passed"} else "fail"

    def passed(self, *, public: bool) -> bool:
        """Whether all public (or all private) tests passed; an empty side counts as passed."""
        return all(o.status == "passed" for o in self.outcomes if o.is_public is public)

    def view(self, problem: CodeProblem) -> GradeView:
        """What feedback may say: public failures in full, private ones as a count."""
        pairs = zip(problem.test_cases, self.outcomes, strict=True)
        public = [PublicFailure(test=t, outcome=o) for t, o in pairs if o.is_public and o.status != "passed"]
        private = [o for o in self.outcomes if not o.is_public]
        return GradeView(
            public_failures=public,
            n_public=len(self.outcomes) - len(private),
            n_private=len(private),
            n_private_failed=sum(o.status != "passed" for o in private),
        )


class PublicFailure(Struct, frozen=True, kw_only=True):
    """A public test and what became of it."""

    test: TestCase
    outcome: Outcome


class GradeView(Struct, frozen=True, kw_only=True):
    """A grade without anything that private tests could show: the only form of it that feedback accepts."""

    public_failures: list[PublicFailure]
    n_public: int
    n_private: int
    n_private_failed: int


class PatchReport(Record, frozen=True, kw_only=True):
    """What is known of an answer that was to be a patch. Says nothing about the tests of the repository."""

    raw: str | None
    """The patch as it stands in the answer; "" where the answer holds none, None where the answer is empty."""
    patch: str
    """The patch as it is handed on, repaired where that was needed; empty where there is none."""
    found_in: str = ""
    """Where it stood: `tag patch`, `fence diff`, `bare`, ..., see `patches.extraction`."""
    repairs: list[str] = field(default_factory=list)
    """Names of the repairs that were made, in their order, see docs/swebench.md."""
    well_formed: bool = False
    """`patch` is a unified diff that tools read."""
    fault: str = ""
    """Why it is not, `line 3: ...`, or why there is none."""
    applies: bool | None = None
    """Whether it applies; None: there was nothing at hand to apply it to."""
    applied_to: str = ""
    """`base commit` or `files of the prompt`."""
    applied_by: str = ""
    """The first of the harness' commands that took it."""
    reason: str = ""
    """Why it does not apply, or could not be applied to anything; empty where it applies."""
    syntax_errors: list[str] = field(default_factory=list)
    """Python files that could be parsed before and can't be afterwards, with the place."""
    files: list[str] = field(default_factory=list)
    """Paths that it touches."""
    edits_tests: bool = False
    """Whether tests are among them."""
    file_precision: float | None = None
    """Share of its files that the reference patch touches too; None where there is no reference patch, as below."""
    file_recall: float | None = None
    """Share of the reference patch's files that it touches."""
    hunk_recall: float | None = None
    """Share of the reference patch's hunks that one of its hunks overlaps, in lines before the change."""
    similarity: float | None = None
    """How alike the changed lines are, 0 to 1."""
    score: float | None = None
    """Mean of `score_parts`, 0 to 1; not the resolution rate, which the official harness alone can tell."""
    score_parts: dict[str, float] = field(default_factory=dict)


class Attempt(Record, frozen=True, kw_only=True):
    """One turn: an answer, the code found in it and its grade."""

    code: str | None
    """None: no code was found in the answer."""
    grade: Grade | None
    """None: there was no code to grade."""
    usage: Usage
    cost_usd: float | None
    latency_s: float
    finish_reason: str | None
    refusal: str | None = None
    changed: dict[str, str] = field(default_factory=dict)
    """Parameters that the service did not take as asked for: `{"temperature": "not sent"}`."""
    patch: PatchReport | None = None
    """What is known of the patch where one was asked for; `code` is then the repaired patch."""


class Certificate(Record, frozen=True, kw_only=True):
    """What is needed to check a verdict again later."""

    problem_sha256: str
    """Of the statement."""
    tests_sha256: str
    """Of the tests and of the metadata that decides about them."""
    code_sha256: str | None
    comparison: dict[str, JsonValue]
    limits: dict[str, JsonValue]
    executor: str
    isolation: str
    python: str
    """Build of the interpreter that ran the tests, `3.11.7 (main, ...)`."""


class HarnessOutcome(Record, frozen=True, kw_only=True):
    """What a data set's official harness said of one answer, run by somebody elsewhere."""

    harness: str
    """`swebench`."""
    outcome: Literal["resolved", "unresolved", "error", "empty", "incomplete"]
    """`resolved`: every test that had to pass did. `error`: it did not come to a verdict, mostly since the patch did
    not apply. `incomplete`: the report lists it as submitted and knows no more."""
    report_sha256: str
    """Of the report file."""
    patch_sha256: str
    """Of the patch in this row when the report was joined."""


class GenerationResult(Record, frozen=True, kw_only=True):
    """A finished problem: one row of the output file."""

    problem: CodeProblem
    final_code: str | None
    full_message_history: list[Message]
    """The whole conversation; ends with the last answer."""
    generation_metadata: dict[str, JsonValue]
    """`model`, `provider`, `temperature`, `prompt_id`, `system_prompt_id`, prompts' sha256, sampling, sample index,
    versions."""
    verified: bool
    """The final code passed every test, public and private, at least one, each in its own isolated process."""
    satisfied: bool
    """The run's success criterion held."""
    attempts: list[Attempt]
    usage: Usage
    """Sum over the attempts."""
    cost_usd: float | None
    """Sum over the attempts; None as soon as one is unknown."""
    certificate: Certificate | None
    """None where nothing was graded."""
    schema: int
    """Version of this format."""
    harness: HarnessOutcome | None = None
    """What the official harness of the data set made of the answer, where its report was joined in."""
