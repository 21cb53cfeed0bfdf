"""The one place where calls are made again: through the canary's gate, when the limiter lets them go.

By class of the failure: a rate limit costs no try; an overloaded service is asked more patiently; what a try can heal
is tried again with growing, jittered waits; the rest is raised at once. Waiting holds no place of the limiter.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from code_generation.errors import Busy, ContextOverflow, Hopeless, Overloaded, ProviderError, RateLimited, Stopping
from code_generation.spans import span

if TYPE_CHECKING:
    from code_generation.models import Request
    from code_generation.providers.budget import Budget, Reservation
    from code_generation.providers.canary import Canary
    from code_generation.providers.dialect import Answer
    from code_generation.providers.journaled import Question
    from code_generation.providers.limiter import Dispatcher
    from code_generation.providers.monitor import Monitor
    from code_generation.providers.service import Service

LONGEST_WAIT_S = 60.0
CANARY_WAIT_S = 1.0
"""Longest wait while nothing was ever answered: a run that can't work says so within seconds."""
RATE_LIMIT_PATIENCE = 100
"""Refusals for the rate limit that one request sits out."""
OVERLOAD_PATIENCE = 3
"""An overloaded service gets so many times the tries."""
SAME_AGAIN = 10
"""The same failure so many times in a row is no accident, however many tries are allowed."""


class RetryingService:
    """A service that is asked until there is an answer or no hope."""

    def __init__(
        self,
        service: Service,
        dispatcher: Dispatcher,
        canary: Canary,
        monitor: Monitor,
        budget: Budget,
        *,
        max_retries: int = 5,
    ) -> None:
        """Wrap a service."""
        self.service = service
        self._dispatcher, self._canary, self._monitor, self._budget = dispatcher, canary, monitor, budget
        self._max_retries = max_retries
        self._stopping = asyncio.Event()

    async def ask(self, question: Question) -> Answer:
        """One answer, which is kept as soon as it is there; see `protocols.Provider.complete` for what it raises."""
        tries = _Tries(self._max_retries)
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda e: isinstance(e, ProviderError) and e.retryable),
            wait=self._wait,
            stop=tries.are_over,
            sleep=self._sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                return await self._ask_once(question, refused_before=tries.limited > 0)
        raise AssertionError  # the loop above returns or raises

    async def _ask_once(self, question: Question, *, refused_before: bool) -> Answer:
        request = question.request
        held = await self._budget.reserve(request, question.key)
        try:
            answer = await self._call(question, held, refused_before=refused_before)
        except BaseException as e:
            held.fail(e)
            raise
        question.held = held
        return answer

    async def _call(self, question: Question, held: Reservation, *, refused_before: bool) -> Answer:
        request = question.request
        if self._stopping.is_set():
            raise _stopping()
        urgency = 0 if refused_before else 1 if request.turn else 2
        characters = sum(len(m.content) for m in request.messages)
        async with self._canary.gate(), self._dispatcher.slot(urgency=urgency, characters=characters) as ticket:
            try:
                held.sent = True
                with span("model_calls"):
                    answer = await self.service.ask(request, question.keep)
            except ProviderError as e:
                if isinstance(e, RateLimited):
                    ticket.refused(e.retry_after_s, e.headers)
                elif isinstance(e, Overloaded):
                    ticket.overloaded()
                else:
                    ticket.failed()
                self._note(request, e)
                raise
            ticket.answered(answer.headers, self.service.dialect.tokens_of(answer.body))
            self._canary.works()
            return answer

    def _note(self, request: Request, error: ProviderError) -> None:
        self._monitor.note_failure(request, error)
        if isinstance(error, ContextOverflow):
            self._canary.works()  # it looked at the conversation
        elif isinstance(error, Hopeless):
            self._canary.stop(error)
        else:
            self._canary.fails(error)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        growing = _growing(state)
        if isinstance(error, Busy) and error.retry_after_s is not None:
            return error.retry_after_s + 0.1 * min(growing, error.retry_after_s)
        return growing if self._canary.answered else min(growing, CANARY_WAIT_S)

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def limiter_status(self) -> str:
        """`18.9 calls/s allowed (measured), 43 under way, 12 waiting`."""
        state = self._dispatcher.state()
        rate = "" if state.rate_per_s is None else f"{state.rate_per_s:.3g} calls/s allowed ({state.source}), "
        cautious = " (a few first)" if self._canary.cautious else ""
        return f"{rate}{state.in_flight} under way{cautious}, {state.waiting} waiting"

    def stop(self) -> None:
        """Ask nothing any more; what is under way is waited for."""
        self._stopping.set()
        self._canary.stop(_stopping())
        self._dispatcher.abandon(_stopping())
        self._budget.stop(_stopping())

    async def close(self) -> None:
        """Give back connections."""
        await self._dispatcher.close()
        await self.service.close()


_growing = wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_S)


def _stopping() -> Stopping:
    return Stopping("the run is being stopped")


class _Tries:
    """How often one request has failed, and whether that is enough."""

    def __init__(self, max_retries: int) -> None:
        self.limited = 0
        self._max_retries = max_retries
        self._failed = self._overloaded = self._same = 0
        self._last = ""

    def are_over(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimited):
            self.limited += 1
            return self.limited > RATE_LIMIT_PATIENCE
        if isinstance(error, Overloaded):
            self._overloaded += 1
            return self._overloaded > OVERLOAD_PATIENCE * self._max_retries
        self._failed += 1
        self._same = self._same + 1 if str(error) == self._last else 1
        self._last = str(error)
        return self._failed > self._max_retries or self._same > SAME_AGAIN
