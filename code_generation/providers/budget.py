"""What a run may cost: the worst case of every call is set aside before it is made, and what it came to settles it.

Together they never exceed the cap, so it holds whatever comes back, and for calls that break. A call that does not fit
waits for those under way; where none is, the run is over (`BudgetSpent`), or the conversation (`ProblemBudgetSpent`).
Amounts are whole units, rounded up, so that sums agree in any order.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from code_generation.errors import ConfigError, ConversationOver, Hopeless, ProviderError, Stopping
from code_generation.jsonl import encode
from code_generation.pricing import (
    HOW_TO_PRICE,
    PAID_APART,
    PER_MESSAGE,
    ListedPrices,
    dollars,
    most_read,
    prices_for,
    size_of,
    worst_case,
)
from code_generation.providers.endpoints import ENDPOINTS
from code_generation.providers.messages_dialect import MAX_TOKENS
from code_generation.providers.parameters import LIMITS, NOT_SENT
from code_generation.spending import UNIT, units_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from code_generation.config import Prices
    from code_generation.models import JsonValue, Request, Usage
    from code_generation.providers.endpoints import ModelChoice
    from code_generation.spending import SpendingLog


@dataclass(frozen=True, kw_only=True)
class Caps:
    """What may be spent at most; None: as much as it takes."""

    max_cost_usd: float | None = None
    """By the whole run, its earlier sessions included."""
    max_cost_per_problem_usd: float | None = None
    """On one problem, all of its samples together."""


class BudgetSpent(Stopping):
    """The next call could exceed the run's cap and none is under way: nothing new is asked."""

    kind = "budget_spent"

    def __init__(self, status: str, needed_usd: float) -> None:
        """`needed_usd` is the worst case of the call that did not fit."""
        super().__init__(f"the budget is spent: {status}, and the next call could cost {dollars(needed_usd)}")
        self.needed_usd = needed_usd


class ProblemBudgetSpent(ConversationOver):
    """The next call of a problem could exceed what one problem may cost: its conversation ends with what is there."""

    kind = "problem_budget_spent"

    def __init__(self, cap_usd: float) -> None:
        super().__init__(f"the next call could cost more than is left of the {dollars(cap_usd)} for a problem")


class Reservation:
    """What is set aside for one call. Closed once, by the first of `settle`, `release` and `lose`.

    with await budget.reserve(request) as held:
        held.settle((await ask(request)).cost_usd)     # what is raised closes it too, see `fail`
    """

    def __init__(self, budget: Budget, worst: int | None, problem_id: str, key: str) -> None:
        self._budget, self._worst, self._problem_id, self._key = budget, worst, problem_id, key
        self.open, self.sent = True, False
        """`sent`: from now on a failure may have been billed."""

    def settle(self, cost_usd: float | None) -> None:
        """The answer came and cost so much; None: nobody knows, so the worst case is charged."""
        self._close(None if cost_usd is None else units_of(cost_usd))

    def release(self) -> None:
        """The call was surely not billed: it was never sent, or answered by an HTTP error."""
        self._close(0)

    def lose(self) -> None:
        """The call broke in its midst and may have been billed: the worst case is charged."""
        self._close(None)

    def fail(self, error: BaseException) -> None:
        """Release or lose, by the error: one that is surely not billed has a true attribute `unbilled`."""
        self._close(0 if not self.sent or getattr(error, "unbilled", False) else None)

    def _close(self, cost: int | None) -> None:
        if self.open:
            self.open = False
            self._budget._settle(self._worst, cost, self._problem_id, self._key)  # noqa: SLF001 - its other half

    def __enter__(self) -> Self:
        """The call begins; give back itself."""
        self.sent = True
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close what is still open."""
        if error is not None:
            self.fail(error)
        self.lose()


class Budget:
    """The money of one run. Made and used inside of one event loop; without a cap it only adds up."""

    def __init__(
        self,
        max_cost_usd: float | None = None,
        max_cost_per_problem_usd: float | None = None,
        prices: Prices | None = None,
        max_output: int | None = None,
        spent_usd: float = 0.0,
        batch: bool = False,  # noqa: FBT001, FBT002 - one fact among others
        *,
        parameters: Mapping[str, JsonValue] = {},
        log: SpendingLog | None = None,
    ) -> None:
        """`max_output`: most tokens of one answer where a request does not say, None: as the table of prices says;
        `spent_usd`: by earlier sessions, beside what is in `log`; `parameters`: sent in every body.
        """
        self.max_cost_usd, self.max_cost_per_problem_usd = max_cost_usd, max_cost_per_problem_usd
        self._prices, self._batch, self._parameters, self._log = prices, batch, parameters, log
        listed = prices.max_output if isinstance(prices, ListedPrices) else None
        self._max_output = listed if max_output is None else max_output
        self._cap, self._problem_cap = _cap_of(max_cost_usd), _cap_of(max_cost_per_problem_usd)
        self._capped = self._cap is not None or self._problem_cap is not None
        self._spent = units_of(spent_usd) + (log.spent if log else 0)
        self._per_problem = log.per_problem if log else Counter[str]()
        self._assumed = self._set_aside = 0
        self._problem_set_aside, self._under_way = Counter[str](), Counter[str]()
        self._waiting = deque[_Waiting]()
        self._over: Stopping | None = None
        self._counted: dict[tuple[str, int], tuple[int, int]] = {}
        """Messages of each conversation whose tokens the service has counted, and how many with their answer."""
        self._extra_bytes = len(encode(dict(parameters))) if parameters else 0
        self.unknown = log.unknown if log else 0  # calls of which nobody knows even an upper bound

    def check(self) -> None:
        """Refuse a cap that could not be kept.

        Raises:
            ConfigError: it says what to give.
        """
        for flag, cap in (("cost", self.max_cost_usd), ("cost-per-problem", self.max_cost_per_problem_usd)):
            if cap is not None and not cap > 0:
                msg = f"--max-{flag}-usd must be more than 0, got {cap:g}"
                raise ConfigError(msg)
        apart = [name for name in PAID_APART if self._parameters.get(name) not in (None, 1)]
        for is_so, what in (
            (self._prices is None, f"a cap needs the model's prices, and none are known: {HOW_TO_PRICE}"),
            (self._max_output is None, "a cap needs an upper limit on the tokens of an answer: give --max-tokens"),
            (apart, f"a cap can't be kept with parameters that are paid for beside tokens: leave out {apart}"),
            (self.unknown, f"{self.unknown} calls of earlier sessions have no known cost: a cap needs another OUT"),
        ):
            if self._capped and is_so:
                raise ConfigError(what)

    def note_change(self, name: str, what: str) -> None:
        """A model does not take a parameter as it was given.

        Raises:
            Hopeless: it is the limit without which a cap can't be kept.
        """
        if self._capped and name in LIMITS and what == NOT_SENT:
            msg = f"the model takes no {name}, so an answer could cost anything and the cap can't be kept"
            raise Hopeless(msg)

    def worst_of(self, request: Request) -> float | None:
        """Dollars that a call can cost at most; None: unknown."""
        most = self._max_output if request.sampling.max_tokens is None else request.sampling.max_tokens
        if self._prices is None or most is None:
            return None
        return worst_case(self._most_read(request, most), most, self._prices, batch=self._batch)

    def _most_read(self, request: Request, most: int) -> int:
        messages = request.messages
        surely = most_read(self._extra_bytes + size_of(messages, most), len(messages))
        known, tokens = self._counted.get((request.problem_id, request.sample_index), (0, 0))
        if not known:
            return surely
        new = messages[known + 1 :]  # what was counted, and its answer, are known
        return min(surely, tokens + size_of(new, most) + PER_MESSAGE * (len(new) + 2))

    def learn(self, request: Request, usage: Usage) -> None:
        """How many tokens the service has counted in a conversation: its next turn holds them, and what is new."""
        read, written = usage.input_tokens, usage.output_tokens
        if self._capped and read and written is not None:
            conversation = request.problem_id, request.sample_index
            self._counted[conversation] = len(request.messages), read + written

    async def reserve(self, request: Request, key: str = "") -> Reservation:
        """Set aside what a call can cost at most, first come, first served; waits while calls under way may give room.
        `key` is the request's in the journal.

        Raises:
            BudgetSpent, ProblemBudgetSpent: it does not fit. Stopping: see `stop`. ConfigError: the disk is full.
        """
        usd = self.worst_of(request)
        worst = None if usd is None else units_of(usd)
        if not self._capped:
            return self._grant(worst, request.problem_id, key)
        waiting = _Waiting(
            worst, request.problem_id, key, asyncio.get_running_loop().create_future(), request.turn == 0
        )
        begun = sum(not w.opening for w in self._waiting)  # what is begun goes first: money for half of it is lost
        self._waiting.insert(len(self._waiting) if waiting.opening else begun, waiting)
        self._admit()
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._admit()
            elif not waiting.turn.cancelled() and waiting.turn.exception() is None:
                waiting.turn.result().release()
            raise

    def _admit(self) -> None:
        """Let go who fits, in order. Who waits for the calls of its own problem does not hold up the others."""
        blocked = False
        for waiting in list(self._waiting):
            worst, problem_id = waiting.worst or 0, waiting.problem_id
            room = math.inf if self._cap is None else self._cap - self._spent - self._set_aside
            if waiting.turn.done():  # cancelled, and about to leave
                continue
            if self._over is not None:
                self._answer(waiting, self._over)
            elif not self._fits_problem(problem_id, worst):
                if not self._under_way[problem_id]:
                    self._answer(waiting, ProblemBudgetSpent(self.max_cost_per_problem_usd or 0.0))
            elif worst <= room and not blocked:
                self._answer(waiting)
            elif self._under_way.total():
                blocked = True
            else:
                self._over = BudgetSpent(self.status(), worst * UNIT)
                self._answer(waiting, self._over)

    def _answer(self, waiting: _Waiting, error: ProviderError | None = None) -> None:
        self._waiting.remove(waiting)
        try:
            if error is not None:
                waiting.turn.set_exception(error)
            else:
                waiting.turn.set_result(self._grant(waiting.worst, waiting.problem_id, waiting.key))
        except ConfigError as e:
            waiting.turn.set_exception(e)

    def _fits_problem(self, problem_id: str, worst: int) -> bool:
        taken = self._per_problem[problem_id] + self._problem_set_aside[problem_id]
        return self._problem_cap is None or worst <= self._problem_cap - taken

    def _grant(self, worst: int | None, problem_id: str, key: str) -> Reservation:
        if self._log:
            self._log.reserved(key, worst and round(worst * UNIT, 12), problem_id)
        self._set_aside += worst or 0
        self._problem_set_aside[problem_id] += worst or 0
        self._under_way[problem_id] += 1
        return Reservation(self, worst, problem_id, key)

    def settle_earlier(self, key: str, cost_usd: float | None) -> None:
        """An answer of an earlier session is there, in the journal or in a batch that went on: where its call counted
        at its worst case, since nobody saw it end, it now counts at its cost.
        """
        held = self._log.under_way.pop(key, None) if self._log and cost_usd is not None else None
        if held is None or self._log is None or cost_usd is None:
            return
        worst, problem_id = units_of(held[0] or 0), held[1]
        cost = units_of(cost_usd)
        self.unknown -= held[0] is None
        self._spent += cost - worst
        if self._problem_cap is not None:
            self._per_problem[problem_id] += cost - worst
        self._log.settled(key, round(cost * UNIT, 12))
        self._admit()

    def _settle(self, worst: int | None, cost: int | None, problem_id: str, key: str) -> None:
        charged = worst if cost is None else cost
        self.unknown += charged is None
        self._assumed += charged or 0 if cost is None else 0
        self._spent += charged or 0
        if self._problem_cap is not None:
            self._per_problem[problem_id] += charged or 0
        self._set_aside -= worst or 0
        self._problem_set_aside[problem_id] -= worst or 0
        self._under_way[problem_id] -= 1
        if not self._under_way[problem_id]:
            del self._under_way[problem_id], self._problem_set_aside[problem_id]
        try:
            if self._log:
                self._log.settled(key, charged and round(charged * UNIT, 12))
        finally:
            self._admit()

    def stop(self, error: Stopping) -> None:
        """Grant nothing any more: who waits, and who comes, gets this error."""
        self._over = self._over or error
        self._admit()

    @property
    def spent_usd(self) -> float:
        """What is charged, by earlier sessions too; a call of unknown cost counts at its worst case."""
        return self._spent * UNIT

    def status(self) -> str:
        """`$1.23 of $5.00`; without a cap `$1.23`, or `$1.20 to $1.43` where some calls broke or have no known cost."""
        said = [dollars(self.spent_usd)] if self._spent or self._capped else []
        if self.max_cost_usd is not None:
            said[0] += f" of {dollars(self.max_cost_usd)}"
        elif self._assumed and not self._capped:
            said[0] = f"{dollars((self._spent - self._assumed) * UNIT)} to {said[0]}"
        return " and ".join([*said, f"{self.unknown} calls of unknown cost"] if self.unknown else said)

    def report(self) -> dict[str, JsonValue]:
        """All figures, earlier sessions included: `spent_usd` is None where some call has no known cost, then
        `known_usd` is that of the others; `assumed_usd` is the part of it that is worst cases of this session.
        """
        known, assumed = round(self.spent_usd, 9), round(self._assumed * UNIT, 9)
        return {
            "spent_usd": None if self.unknown else known,
            "known_usd": known,
            "assumed_usd": assumed,
            "calls_of_unknown_cost": self.unknown,
        }


@dataclass(eq=False)
class _Waiting:
    worst: int | None
    problem_id: str
    key: str
    turn: asyncio.Future[Reservation]
    opening: bool


def open_budget(
    choice: ModelChoice, caps: Caps | None, log: SpendingLog | None, *, batch: bool
) -> tuple[Budget, Prices | None]:
    """The budget of a model's run, and the prices it goes by.

    Raises:
        ConfigError: a cap that can't be kept.
    """
    caps, prices = caps or Caps(), prices_of(choice)
    budget = Budget(
        caps.max_cost_usd,
        caps.max_cost_per_problem_usd,
        prices,
        _longest_answer(choice),
        batch=batch,
        parameters=choice.wire.parameters,
        log=log,
    )
    budget.check()
    return budget, prices


def _longest_answer(choice: ModelChoice) -> int | None:
    """Most tokens of an answer, as every call asks for it; None: calls don't."""
    named = [choice.wire.parameters.get(name) for name in LIMITS]
    given = [choice.sampling.max_tokens, *(n for n in named if isinstance(n, int))]
    least = next((n for n in given if n is not None), None)
    if least is None and choice.endpoint is not None and choice.endpoint.dialect == "messages":
        return MAX_TOKENS + (choice.sampling.thinking_tokens or 0)
    return least


def prices_of(choice: ModelChoice) -> Prices | None:
    """A model's prices: the registry file's, else the table's where the service is asked at its own address."""
    if choice.prices is not None or choice.endpoint is None:
        return choice.prices
    home = ENDPOINTS.get(choice.provider)
    at_home = home is not None and home.base_url == choice.endpoint.base_url
    return prices_for(choice.provider, choice.model, choice.wire.parameters) if at_home else None


def _cap_of(usd: float | None) -> int | None:
    return None if usd is None or not math.isfinite(usd) else math.floor(usd / UNIT + 0.001)
