"""The seams of the house: who implements one of these can be plugged in by a row of a table; nobody inherits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from code_generation.errors import BadRow
    from code_generation.models import CodeProblem, Completion, Grade, JsonValue, Mode, Request
    from code_generation.programs import ExecutionResult, Limits, Program


class Loader(Protocol):
    """A data set: yields problems, and a `BadRow` for each row that can't become one."""

    def __call__(self) -> AsyncIterator[CodeProblem | BadRow]:
        """Iterate once over the source."""
        ...


class Provider(Protocol):
    """Answers a conversation. Journal, limiter and retries live behind it."""

    name: str
    """Row of the provider table, `openai`."""
    model: str
    """Name of the model as it is asked for."""

    async def complete(self, request: Request) -> Completion:
        """Ask once and return the whole answer; an empty answer or a refusal is an answer.

        Raises:
            ConversationOver: there will be none; what is there is the result.
            Hopeless: no call of this run can succeed.
            Stopping: `stop` was called before there was an answer.
            ProviderError: no answer; `retryable` says whether asking again can help.
        """
        ...

    def stop(self) -> None:
        """Ask nothing any more; calls under way are waited for, and answers that are there already still come."""
        ...

    def status(self) -> str:
        """How it is doing, in a few words for people; empty where there is nothing to say."""
        ...

    def report(self) -> dict[str, JsonValue]:
        """What its calls came to, for the run's manifest; empty where there is nothing to say."""
        ...

    async def close(self) -> None:
        """Give back connections; safe to call twice."""
        ...


class Executor(Protocol):
    """Runs programs in a box. Knows inputs only: no expected value ever reaches it."""

    name: str
    """Row of the executor table, `subprocess`."""
    isolation: str
    """Level that the start-up check found; `unknown` before `__aenter__`. `remote`: not on this machine."""
    cases_per_call: int
    """How many cases of one program it is worth to hand over together."""

    async def __aenter__(self) -> Self:
        """Check the box.

        Raises:
            SandboxUnavailable: this machine can't contain untrusted code.
        """
        ...

    async def __aexit__(self, *exc: object) -> None:
        """Leave nothing behind: no process, no file."""
        ...

    async def run(self, program: Program) -> ExecutionResult:
        """Run every case of a program in a process of its own; with `batch` all of them may share one.

        Whatever the program does is a status in the result: a crash, a timeout, no output are not exceptions.

        Raises:
            ExecutorError: the box failed in a way that another try can't mend.
        """
        ...


class Grader(Protocol):
    """Judges candidates; isolation, re-runs and calibration live behind it."""

    async def grade(self, problem: CodeProblem, code: str, *, mode: Mode | None = None) -> Grade:
        """Judge one candidate over all tests of its problem; a box that failed is the verdict `infra`."""
        ...

    def limits(self, problem: CodeProblem) -> Limits:
        """The limits under which a problem's tests run."""
        ...
