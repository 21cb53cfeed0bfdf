"""The one place where calls are made again. A rate limit costs no try; errors that can't heal are raised at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from code_generation.errors import ProviderError, RateLimited

if TYPE_CHECKING:
    from code_generation.models import Completion, Request
    from code_generation.protocols import Provider

LONGEST_WAIT_S = 60.0
RATE_LIMIT_PATIENCE = 100
"""Refusals for the rate limit that one request sits out."""


class RetryingProvider:
    """A provider behind which failed calls are repeated with growing, jittered waits; a server's Retry-After is
    obeyed.
    """

    def __init__(self, inner: Provider, *, max_retries: int = 5) -> None:
        """Wrap a provider."""
        self.inner = inner
        self.name = inner.name
        self.model = inner.model
        self._max_retries = max_retries

    async def complete(self, request: Request) -> Completion:
        """Ask until there is an answer or no hope; see `protocols.Provider.complete`."""
        failures = limited = 0

        def give_up(state: RetryCallState) -> bool:
            nonlocal failures, limited
            if isinstance(_error(state), RateLimited):
                limited += 1
            else:
                failures += 1
            return failures > self._max_retries or limited > RATE_LIMIT_PATIENCE

        again = retry_if_exception(lambda e: isinstance(e, ProviderError) and e.retryable)
        async for attempt in AsyncRetrying(retry=again, wait=_wait, stop=give_up, reraise=True):
            with attempt:
                return await self.inner.complete(request)
        raise AssertionError  # the loop above returns or raises

    async def close(self) -> None:
        """Close what is inside."""
        await self.inner.close()


_growing = wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_S)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _wait(state: RetryCallState) -> float:
    error = _error(state)
    wish = error.retry_after_s if isinstance(error, RateLimited) else None
    return _growing(state) if wish is None else min(wish, LONGEST_WAIT_S) + 0.1 * _growing(state)
