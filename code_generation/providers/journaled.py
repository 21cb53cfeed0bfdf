"""A provider whose answers are in the journal before anybody looks into them; what is there is not asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from code_generation.errors import ProviderError
from code_generation.journal import now, request_key
from code_generation.pricing import with_cost
from code_generation.providers.dialect import Answer
from code_generation.providers.endpoints import DIALECTS
from code_generation.spans import span
from code_generation.tables import resolve

if TYPE_CHECKING:
    from code_generation.config import Prices
    from code_generation.journal import Journal
    from code_generation.models import Completion, JsonValue, Request
    from code_generation.providers.batches import BatchService
    from code_generation.providers.budget import Budget, Reservation
    from code_generation.providers.dialect import Dialect
    from code_generation.providers.monitor import Monitor
    from code_generation.providers.retry import RetryingService


class Question:
    """A request on its way, with its name in the journal."""

    def __init__(
        self,
        request: Request,
        key: str = "",
        provider: str = "",
        journal: Journal | None = None,
        *,
        replayed: bool = False,
    ) -> None:
        """Without a journal nothing is kept. `replayed`: the journal has the answer already."""
        self.request, self.key, self.replayed = request, key, replayed
        self.held: Reservation | None = None
        """What is set aside for the call that answered it."""
        self._provider, self._journal = provider, journal
        self._written: asyncio.Future[None] | None = None

    def keep(self, answer: Answer) -> None:
        """Write the answer down, at once: the first thing that is done with it, wherever it comes in.

        Raises:
            ConfigError: the disk is full or gone.
        """
        if self._journal is not None:
            self._written = self._journal.write(entry_of(self.key, self._provider, place_of(self.request), answer))

    def settle(self, cost_usd: float | None) -> None:
        """Say what its answer cost; None: nobody knows. The first word counts."""
        if self.held is not None:
            self.held.settle(cost_usd)

    async def is_on_disk(self) -> None:
        """Wait for the disk."""
        if self._written is not None:
            await asyncio.shield(self._written)


class JournaledProvider:
    """See `protocols.Provider`. Without a journal nothing is kept."""

    def __init__(
        self,
        service: RetryingService | BatchService,
        journal: Journal | None,
        monitor: Monitor,
        budget: Budget,
        prices: Prices | None = None,
    ) -> None:
        """Wrap a service, online or in batches; `prices` where it does not say what an answer costs."""
        self._service, self._journal, self.monitor = service, journal, monitor
        self._budget, self._prices = budget, prices
        self.name, self.model = service.service.name, service.service.wire.model
        self._dialect: Dialect = service.service.dialect
        self._parameters = service.service.wire.parameters
        self._under_way: dict[str, asyncio.Future[Answer]] = {}

    async def complete(self, request: Request) -> Completion:
        """The answer to a request: the kept one, or one that is bought now."""
        with span("asking"):
            question, answer = await self._answer(request)
        try:
            completion = with_cost(self._dialect_of(answer).read(answer), self._prices, batch=answer.batch)
            if question.held is None:
                self._budget.settle_earlier(question.key, completion.cost_usd)
            question.settle(completion.cost_usd)
            self._budget.learn(request, completion.usage)
        finally:
            question.settle(None)  # what can't be read may have cost anything
        self.monitor.note_answer(request, completion, replayed=question.replayed)
        return completion

    async def _answer(self, request: Request) -> tuple[Question, Answer]:
        """The answer, and what was asked for it."""
        if self._journal is None:
            question = Question(request)
            return question, await self._service.ask(question)
        key = request_key(self.name, self.model, self._parameters, request)
        while key in self._under_way:  # the same question twice at a time is bought once
            await asyncio.wait([self._under_way[key]])
        entry = self._journal.find(key)
        if entry is not None:
            return Question(request, key, replayed=True), answer_of(entry)
        question = Question(request, key, self.name, self._journal)
        asked = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            answer = await self._service.ask(question)
            with span("journal"):
                await question.is_on_disk()
        finally:
            del self._under_way[key]
            asked.cancel()
        return question, answer

    def _dialect_of(self, answer: Answer) -> Dialect:
        """An answer of an earlier session may be in another dialect than is spoken now."""
        if answer.dialect == self._dialect.name:
            return self._dialect
        spoken: Dialect = resolve("dialect", answer.dialect, DIALECTS)
        return spoken

    def stop(self) -> None:
        """Ask nothing any more; see `protocols.Provider.stop`."""
        self._service.stop()

    def status(self) -> str:
        """The limiter's state and what failed, see `protocols.Provider.status`."""
        spent = self._budget.status()
        parts = [f"spent {spent}" if spent else "", self._service.limiter_status()]
        if self.monitor.replayed:
            parts.append(f"{self.monitor.replayed} from the journal")
        if failures := self.monitor.failures():
            parts.append(f"failed calls: {failures}")
        return ", ".join(part for part in parts if part)

    def report(self) -> dict[str, JsonValue]:
        """Counts over all calls."""
        return self.monitor.report() | self._budget.report()

    async def close(self) -> None:
        """Give back connections."""
        await self._service.close()


def place_of(request: Request) -> dict[str, JsonValue]:
    """Where in a run a request stands."""
    return {"problem_id": request.problem_id, "sample_index": request.sample_index, "turn": request.turn}


def entry_of(key: str, provider: str, place: dict[str, JsonValue], answer: Answer) -> dict[str, JsonValue]:
    """What the journal keeps of an answer."""
    return {
        "key": key,
        **place,
        "provider": provider,
        "model": answer.model,
        "at": now(),
        "dialect": answer.dialect,
        "status": answer.status,
        "latency_s": round(answer.latency_s, 3),
        "request_id": answer.request_id,
        "changed": answer.changed,
        **({"batch": True} if answer.batch else {}),
        "body": answer.body,
    }


def answer_of(entry: dict[str, Any]) -> Answer:
    """The answer that an entry of the journal keeps.

    Raises:
        ProviderError: a later version wrote it, or somebody's hand.
    """
    try:
        return Answer(
            dialect=entry["dialect"],
            model=entry["model"],
            body=entry["body"],
            latency_s=entry["latency_s"],
            status=entry["status"],
            request_id=entry["request_id"],
            changed=entry["changed"],
            batch=entry.get("batch", False),
        )
    except KeyError as e:
        msg = f"an answer in the journal has no {e}; `codegen journal check` lists such lines"
        raise ProviderError(msg) from None
