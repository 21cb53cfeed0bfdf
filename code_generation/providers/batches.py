"""Questions asked in batches, at half the price: what waits goes out together, each answer is kept as it comes back.

To `solve` it is a service like any other: `ask` waits, for hours if it must. The questions of all open conversations
that wait at the same time make up a batch, so that a run goes on in waves: turn k of all conversations, then turn k+1
of those that are left.

Every step is in the ledger before the next is taken. A batch whose submission was not answered is looked for at the
service before anything is submitted again; what an expired, cancelled or broken-off batch has answered is kept, and
only the rest is asked again; batches of an earlier session are waited for, and a question that one of them holds is
not submitted a second time.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from code_generation.errors import Hopeless, ProviderError, RequestRejected, Stopping
from code_generation.jsonl import encode, print_error
from code_generation.literals import shorten
from code_generation.providers.batch_apis import BatchLost, split
from code_generation.providers.canary import Canary
from code_generation.providers.dialect import Answer
from code_generation.providers.journaled import entry_of, place_of

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from code_generation.batch_ledger import Batch, BatchLedger
    from code_generation.journal import Journal
    from code_generation.models import JsonValue
    from code_generation.providers.batch_apis import BatchApi, BatchLine, BatchState
    from code_generation.providers.budget import Budget, Reservation
    from code_generation.providers.journaled import Question
    from code_generation.providers.monitor import Monitor
    from code_generation.providers.retry import RetryingService
    from code_generation.providers.service import Service

OK = 200
LISTED_WITHIN_S = 60.0
"""How long a batch may take to be listed after it was made."""
LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class BatchPace:
    """When what is done."""

    settle_s: float = 2.0
    """A batch goes out when no further question has come for so long."""
    poll_s: float = 30.0
    """How often a batch is looked at."""
    patience_s: float | None = None
    """A batch that takes longer is cancelled, and what it has not answered is asked online; None: it is waited for."""
    submit: bool = True
    """New questions go into batches. Where not, they are asked online, and batches of earlier sessions are waited for.
    """


@dataclass
class _Waiting:
    """A question, and who waits for its answer."""

    question: Question
    answer: asyncio.Future[Answer]
    held: Reservation | None = None
    failed: bool = False
    """The service said that its line failed."""
    body: dict[str, JsonValue] = field(default_factory=dict)
    """As it was submitted last."""
    changed: dict[str, str] = field(default_factory=dict)


class _GivenBack(Exception):
    """The batch has no answer for it: it is asked anew."""

    def __init__(self, *, billed: bool, late: bool) -> None:
        """`billed`: it may have been answered all the same; `late`: asked online this time."""
        super().__init__()
        self.billed, self.late = billed, late


class BatchService:
    """A service that is asked in batches."""

    def __init__(
        self,
        online: RetryingService,
        api: BatchApi,
        ledger: BatchLedger,
        journal: Journal,
        monitor: Monitor,
        budget: Budget,
        *,
        pace: BatchPace,
        max_retries: int = 5,
    ) -> None:
        """`online` knows the service's bodies and parameters, and answers what can't wait."""
        self.service: Service = online.service
        self._online, self._api, self._ledger, self._journal, self._monitor = online, api, ledger, journal, monitor
        self._budget = budget
        self._pace, self._max_retries, self._canary = pace, max_retries, Canary()
        self._pending: dict[str, _Waiting] = {}
        """Questions that are in no batch."""
        self._outstanding: dict[str, _Waiting | None] = {}
        """Lines of batches under way; None: nobody has asked for its answer yet."""
        self._arrived = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped: ProviderError | None = None
        self._begun = False

    async def ask(self, question: Question) -> Answer:
        """One answer; see `protocols.Provider.complete` for what it raises."""
        self._begin()
        for _ in range(self._max_retries + 1):
            if self._stopped is not None:
                raise self._stopped
            try:
                return await self._ask_once(_Waiting(question, asyncio.get_running_loop().create_future()))
            except _GivenBack as back:
                if back.late:
                    return await self._online.ask(question)
        msg = f"{self._max_retries + 1} batches came back without an answer for it"
        raise ProviderError(msg, kind="batch_line")

    async def _ask_once(self, waiting: _Waiting) -> Answer:
        question = waiting.question
        if question.key in self._outstanding:  # an earlier session set its cost aside
            self._outstanding[question.key] = waiting
            return await waiting.answer
        if not self._pace.submit:
            return await self._online.ask(question)
        held = waiting.held = await self._budget.reserve(question.request, question.key)
        try:
            self._line_up(waiting)
            question.held = held
            return await waiting.answer
        except _GivenBack as back:
            held.lose() if back.billed else held.release()
            raise
        except BaseException as e:
            if not (held.sent and isinstance(e, Stopping | asyncio.CancelledError)):
                held.fail(e)  # else the batch goes on at the service, and what is set aside for it stays written down
            raise

    def _begin(self) -> None:
        """Take up what an earlier session left, and wait for questions."""
        if self._begun:
            return
        self._begun = True
        for batch in self._ledger.open_batches:
            self._outstanding |= dict.fromkeys(batch.lines)
            self._start(self._take_up(batch))
        self._start(self._gather())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """What ends a task ends the run: those who wait are told."""
        try:
            await work
        except ProviderError as e:
            self._end(e)
        except Exception as e:  # noqa: BLE001 - a task that nobody awaits must not fail in silence
            self._end(Hopeless(f"{type(e).__name__}: {e}"))

    # -------------------------------------------------------------------------------------------- waves

    def _line_up(self, waiting: _Waiting) -> None:
        self._pending[waiting.question.key] = waiting
        self._arrived.set()

    async def _gather(self) -> None:
        """Send out what waits whenever nothing more has come for a moment."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            with suppress(TimeoutError):
                while len(self._pending) < self._api.most_lines:
                    await asyncio.wait_for(self._arrived.wait(), self._pace.settle_s)
                    self._arrived.clear()
            while self._pending:
                self._start(self._submit(self._take()))

    def _take(self) -> dict[str, _Waiting]:
        """As many of the waiting as one batch holds."""
        lines = ((key, self._body_of(w)) for key, w in self._pending.items())
        first = next(split(lines, self._api.most_lines, self._api.most_bytes))
        return {key: self._pending.pop(key) for key, _ in first}

    # -------------------------------------------------------------------------------------------- one batch

    async def _submit(self, lines: dict[str, _Waiting]) -> None:
        for waiting in lines.values():
            if waiting.held is not None:
                waiting.held.sent = True
        batch = self._ledger.plan({key: place_of(w.question.request) for key, w in lines.items()})
        self._outstanding |= lines
        if await self._make(batch, [(key, w.body) for key, w in lines.items()]):
            await self._see_through(batch)

    async def _take_up(self, batch: Batch) -> None:
        """A batch of an earlier session: it is never submitted again, whatever is known of it."""
        if batch.batch_id is None and not await self._looked_for(batch):
            self._give_back(batch, "dropped")
            return
        try:
            await self._see_through(batch)
        except BatchLost as e:
            print_error(f"{e}; what it held is asked again, and counts as paid")
            self._give_back(batch, "dropped", billed=True)

    async def _see_through(self, batch: Batch) -> None:
        """From its submission to its end."""
        state = await self._wait_for_end(batch)
        error = None
        if state.reason.startswith("failed"):
            if not state.passing:
                error = ProviderError(f"the batch {batch.batch_id} {state.reason}", kind="batch_failed", unbilled=True)
            await asyncio.sleep(self._pace.poll_s)  # the same again at once would fail the same way
        else:
            await self._collect(batch)
        billed = state.reason == "completed"
        self._give_back(batch, "ended", error, billed=billed, reason=state.reason, answers=len(batch.answered))

    async def _make(self, batch: Batch, lines: list[tuple[str, dict[str, JsonValue]]]) -> bool:
        """Submit it, or find it where its submission was not answered; False where it does not exist."""
        error: ProviderError | None = None
        for failures in range(self._max_retries + 1):
            try:
                batch_id = await self._api.submit(batch.tag, lines, lambda what, i: self._note(batch, what, i))
            except ProviderError as e:
                error = e
                self._failed(batch, e)
                if not e.retryable:
                    break
                if not e.unbilled and await self._looked_for(batch):
                    return True
                await asyncio.sleep(min(LONGEST_WAIT_S, 2.0**failures))
            else:
                self._note(batch, "submitted", batch_id)
                return True
        self._give_back(batch, "dropped", error)
        return False

    async def _looked_for(self, batch: Batch) -> bool:
        """Whether the service has it after all."""
        if self._api.uploads and batch.file_id is None:  # no batch is made before its file is there
            return False
        wait_s, until = 1.0, time.monotonic() + LISTED_WITHIN_S
        while True:
            last = time.monotonic() > until
            try:
                found = await self._api.find(
                    batch.tag,
                    file_id=batch.file_id,
                    lines=len(batch.lines),
                    custom_ids=set(batch.lines),
                    since=batch.planned_at,
                    known=self._ledger.known_ids,
                )
            except ProviderError as e:
                self._failed(batch, e)
                last, found = False, None
            if found is not None:
                self._note(batch, "submitted", found)
                return True
            if last:
                return False
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, LISTED_WITHIN_S / 4)

    def _note(self, batch: Batch, what: str, identity: str) -> None:
        self._canary.works()
        self._ledger.note(batch, what, id=identity)
        self._monitor.log.write("batch", tag=batch.tag, step=what, id=identity, lines=len(batch.lines))

    def _failed(self, batch: Batch, error: ProviderError) -> None:
        self._monitor.failed[error.kind] += 1
        self._monitor.log.write("batch failed", tag=batch.tag, kind=error.kind, error=str(error)[:1000])
        if isinstance(error, Hopeless):
            raise error
        self._canary.fails(error)

    async def _wait_for_end(self, batch: Batch) -> BatchState:
        """Until the service has done with it; asked for its end where it takes too long."""
        assert batch.batch_id is not None  # noqa: S101 - for the type checker
        cancelled, wait_s = False, min(1.0, self._pace.poll_s)
        while True:
            try:
                state = await self._api.state(batch.batch_id)
                self._canary.works()
                if state.status == "ended":
                    return state
                patience = self._pace.patience_s
                if patience is not None and not cancelled and time.time() - batch.planned_at > patience:
                    await self._api.cancel(batch.batch_id)
                    cancelled = True
            except ProviderError as e:
                self._failed(batch, e)
            await asyncio.sleep(wait_s)
            wait_s = min(self._pace.poll_s, wait_s * 1.5)

    async def _collect(self, batch: Batch) -> None:
        """Keep every answer."""
        assert batch.batch_id is not None  # noqa: S101 - for the type checker
        for failures in range(1000):
            try:
                async with aclosing(self._api.results(batch.batch_id)) as lines:
                    async for line in lines:
                        if line.custom_id in batch.lines and line.custom_id not in batch.answered:
                            self._take_line(batch, line)
                break
            except ProviderError as e:
                self._failed(batch, e)
                await asyncio.sleep(min(LONGEST_WAIT_S, 2.0 ** min(failures, 6)))
        await self._journal.settle()  # the ledger must not say more than the disk holds

    def _take_line(self, batch: Batch, line: BatchLine) -> None:
        """An answer is kept and handed on; a failure leaves its question unanswered."""
        waiting = self._outstanding.get(line.custom_id)
        try:
            answer = self._answer_of(batch, line, waiting.changed if waiting else {})
        except ProviderError as e:
            self._note_line(waiting, e)
            return
        if waiting is not None:
            waiting.question.keep(answer)
        elif self._journal.find(line.custom_id) is None:
            self._journal.write(entry_of(line.custom_id, self.service.name, batch.lines[line.custom_id], answer))
        batch.answered.add(line.custom_id)
        self._outstanding.pop(line.custom_id, None)
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_result(answer)

    def _answer_of(self, batch: Batch, line: BatchLine, changed: dict[str, str]) -> Answer:
        """Raises ProviderError where a line holds none."""
        if line.error is not None:
            raise line.error
        status = line.status or OK
        if status == OK and not self.service.dialect.is_answer(line.body):
            msg = f"a line of a batch came back with no answer: {shorten(encode(line.body), 200)}"
            raise ProviderError(msg, kind="garbled")
        return Answer(
            dialect=self.service.dialect.name,
            model=self.service.model,
            body=line.body,
            latency_s=max(0.0, time.time() - batch.planned_at),
            status=status,
            request_id=line.request_id,
            changed=changed,
            batch=True,
        )

    def _note_line(self, waiting: _Waiting | None, error: ProviderError) -> None:
        """A line that failed is given back with its batch, unless asking again is no use."""
        if waiting is None:
            return
        self._monitor.note_failure(waiting.question.request, error)
        waiting.failed = True
        learnt = isinstance(error, RequestRejected) and self.service.learn(error, waiting.body)
        if not error.retryable and not learnt and not waiting.answer.done():
            self._outstanding.pop(waiting.question.key, None)
            error.unbilled = True  # no service bills a line that it says failed
            waiting.answer.set_exception(error)

    def _give_back(
        self, batch: Batch, event: str, error: ProviderError | None = None, *, billed: bool = False, **facts: JsonValue
    ) -> None:
        """Close the batch; the questions that it has not answered are asked again, online where patience is over.

        `billed`: a line without a word may have been answered.
        """
        late = self._pace.patience_s is not None and time.time() - batch.planned_at > self._pace.patience_s
        left = {key: self._outstanding.pop(key, None) for key in batch.lines if key not in batch.answered}
        self._ledger.note(batch, event, **facts)
        for key, waiting in left.items():
            lost = billed and not (waiting and waiting.failed)
            if (waiting is None or waiting.held is None) and not lost:
                self._budget.settle_earlier(key, 0.0)
            if waiting is None or waiting.answer.done():
                continue
            if error is not None and waiting.held is not None:
                waiting.answer.set_exception(error)
            else:
                waiting.answer.set_exception(_GivenBack(billed=lost, late=late))

    def _body_of(self, waiting: _Waiting) -> dict[str, JsonValue]:
        waiting.body, waiting.changed = self.service.whole_body(waiting.question.request)
        return waiting.body

    # -------------------------------------------------------------------------------------------- end

    def _end(self, error: ProviderError) -> None:
        self._stopped = self._stopped or error
        for waiting in [*self._pending.values(), *(w for w in self._outstanding.values() if w)]:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
        self._pending.clear()

    def stop(self) -> None:
        """Wait for nothing any more: batches go on at the service, and the next session takes them up."""
        self._end(Stopping("the run is being stopped"))
        self._online.stop()

    def limiter_status(self) -> str:
        """`2 batches of 1,200 questions under way, 12 waiting`."""
        n = len(self._ledger.open_batches)
        if not n and not self._pace.submit:
            return self._online.limiter_status()
        return f"{n} batches of {len(self._outstanding):,} questions under way, {len(self._pending)} waiting"

    async def close(self) -> None:
        """Give back connections; batches go on at the service."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._api.close()
        await self._online.close()
