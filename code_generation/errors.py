"""Everything that can go wrong in a tool, as one small tree. A wrong answer is data and never appears here.

    CodeGenerationError
      ConfigError              the command line, a config file or the environment is not usable: exit 2
      DataError                a file holds something that is not what it should be: exit 2
        BadRow                 one row of a source: counted and reported, the others go on
        UnknownName            a name that is in no table; lists those that are
      ProviderError            the model's service did not give an answer; asking again may help
        Busy                   it asks to come back later
          RateLimited          so many calls or tokens are not allowed
          Overloaded           it has too much to do
        ConversationOver       this conversation can't go on; what is there is its result
          ContextOverflow      it no longer fits the model's context
        RequestRejected        it will not answer this request, however often it is asked
        Hopeless               no call of this run can succeed: the run ends
          AuthFailed           the key, the model name or the account is refused
          ServiceDown          one call after the other failed
        Stopping               the run is ending and asks nothing any more; not a failure
      ExecutorError            the box, not the candidate, failed: an infra verdict
        SandboxUnavailable     this machine can't contain untrusted code
        SandboxLost            one run ended without a word

A message says what was seen, what was expected and what to do. Refusals by a model are answers
(`Completion.refusal`), not errors.
"""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


LONGEST_REASON = 500
"""Characters."""


class CodeGenerationError(Exception):
    """Base of all errors of this package: `except CodeGenerationError` covers what a caller means."""


class ConfigError(CodeGenerationError):
    """The command line, a config file or the environment can't be used as given."""


class DataError(CodeGenerationError):
    """A file holds something else than it should."""


class BadRow(DataError):
    """One row of a source that can't become a problem; the load goes on and counts it."""

    def __init__(self, source: str, row_id: str, reason: str) -> None:
        """What a row quotes of itself may be long: the start and the end of a reason are kept."""
        if len(reason) > LONGEST_REASON:
            reason = f"{reason[: LONGEST_REASON // 2]} ... {reason[-LONGEST_REASON // 2 :]}"
        super().__init__(f"{source}: row {row_id}: {reason}")
        self.source = source
        self.row_id = row_id
        self.reason = reason


class UnknownName(DataError):
    """A name that stands in no table. The message lists the known ones and the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.known, self.hint = kind, name, sorted(known), hint
        near = difflib.get_close_matches(name, self.known, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {kind} {name!r}; known: {', '.join(self.known)}.{guess}{' ' + hint if hint else ''}")


class ProviderError(CodeGenerationError):
    """The model's service gave no answer. `retryable` says whether asking again can help."""

    retryable = True
    kind = "transient"
    """What a histogram of errors calls it."""
    unbilled: bool = False
    """The call was surely not billed: it was never sent, or was refused by an HTTP status before anything was
    generated."""

    def __init__(
        self,
        message: str,
        *,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        unbilled: bool = False,
    ) -> None:
        """`kind` where there is a closer word, `truncated`; `headers` of the response, where there was one."""
        super().__init__(message)
        self.kind = kind or type(self).kind
        self.headers = headers or {}
        self.unbilled = unbilled or type(self).unbilled


class Busy(ProviderError):
    """The service asked to come back later; `retry_after_s` is its own wish, None where it gave none."""

    kind = "busy"

    def __init__(
        self,
        message: str,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        unbilled: bool = False,
    ) -> None:
        super().__init__(message, headers=headers, unbilled=unbilled)
        self.retry_after_s = retry_after_s


class RateLimited(Busy):
    """So many calls, or tokens, in so short a time are not allowed."""

    kind = "rate_limited"


class Overloaded(Busy):
    """The service has too much to do: fewer calls at a time help, other words don't."""

    kind = "overloaded"


class RequestRejected(ProviderError):
    """The service understood the request and will not answer it as it is. `names` is what it says about that: the name
    of a parameter, None where it named none.
    """

    retryable = False
    kind = "rejected"

    def __init__(
        self,
        message: str,
        names: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        unbilled: bool = False,
    ) -> None:
        super().__init__(message, headers=headers, unbilled=unbilled)
        self.names = names


class ConversationOver(ProviderError):
    """There will be no further answer in this conversation; what is there is its result."""

    retryable = False
    kind = "conversation_over"


class ContextOverflow(ConversationOver):
    """The conversation is longer than the model's context."""

    kind = "context_overflow"


class Hopeless(ProviderError):
    """No call of this run can succeed."""

    retryable = False


class AuthFailed(Hopeless):
    """Key, account or model name is refused."""

    kind = "refused_access"


class ServiceDown(Hopeless):
    """One call after the other failed, so that the run is given up with the reason of the last."""

    kind = "service_down"


class Stopping(ProviderError):
    """The run is being stopped: what is under way is waited for, and nothing new is asked."""

    retryable = False
    kind = "stopping"


class ExecutorError(CodeGenerationError):
    """The box failed, not the candidate."""


class SandboxUnavailable(ExecutorError):
    """This machine can't contain untrusted code at the level that was asked for."""


class SandboxLost(ExecutorError):
    """A run ended without a status: killed from outside, or the machine is out of something."""


@contextmanager
def boundary(error: type[CodeGenerationError], what: str, *foreign: type[Exception]) -> Iterator[None]:
    """Translate the exceptions of a foreign library in one place; ours pass unchanged.

    >>> with boundary(DataError, "problems.jsonl", ValueError):
    ...     int("x")
    Traceback (most recent call last):
    code_generation.errors.DataError: problems.jsonl: invalid literal for int() with base 10: 'x'
    """
    try:
        yield
    except CodeGenerationError:
        raise
    except Exception as e:
        if foreign and not isinstance(e, foreign):
            raise
        raise error(f"{what}: {e}" if str(e) else f"{what}: {type(e).__name__}") from e
