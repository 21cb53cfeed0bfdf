"""The cap holds, whatever comes back; nothing is left over while work remains; nobody starves."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter

import pytest

from code_generation.config import Prices
from code_generation.errors import ConfigError, ConversationOver, DataError, ProviderError, Stopping
from code_generation.models import Message, Request, Sampling, Usage
from code_generation.pricing import PER_CALL, cost_of
from code_generation.providers.budget import Budget, BudgetSpent, ProblemBudgetSpent
from code_generation.spending import SpendingLog

PRICES = Prices(input=1, output=10)


def request(problem_id="p", size=0, most=100, turn=0):
    """A request whose worst case is easy to tell: see `worst`."""
    messages = [Message(role="user", content="x" * size)] if size else []
    return Request(messages=messages, sampling=Sampling(max_tokens=most), problem_id=problem_id, turn=turn)


WORST = (PER_CALL * 1 + 100 * 10) / 1e6
"""Of `request()` at `PRICES`, dollars."""


async def turns(number=20):
    for _ in range(number):
        await asyncio.sleep(0)


class Hurry(selectors.DefaultSelector):
    """Waits for nothing: the time that a loop would sleep is added to its clock."""

    now = 0.0

    def select(self, timeout=None):
        self.now += timeout or 0.0
        return super().select(0)


def run(main):
    """Run a coroutine in virtual time."""
    selector = Hurry()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now
    try:
        return loop.run_until_complete(main)
    finally:
        loop.close()


# ------------------------------------------------------------------------------------------------------ simulation


class Broken(ProviderError):
    """A call that breaks in its midst."""


class Unbilled(ProviderError):
    """A call that is answered by an HTTP error."""

    unbilled = True


class Service:
    """Bills truthfully for what it reads and writes, whether or not the answer arrives."""

    def __init__(self, setting, rng):
        self.setting, self.rng = setting, rng
        self.billed, self.per_problem, self.calls = 0.0, Counter(), 0
        self.most_under_way = self.under_way = 0

    async def ask(self, question):
        setting, rng = self.setting, self.rng
        self.calls += 1
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        read = sum(len(m.content.encode()) for m in question.messages) * rng.uniform(*setting["tokens_per_byte"])
        read = int(read + rng.randint(0, PER_CALL))
        cached = rng.randint(0, read) if setting["caches"] else None
        written = int(question.sampling.max_tokens * rng.random() ** setting["skew"])
        usage = Usage(
            input_tokens=read, output_tokens=written, cached_input_tokens=cached,
            cache_write_tokens=None if cached is None else rng.randint(0, read - cached),
            reasoning_tokens=rng.randint(0, written) if setting["thinks"] else None,
        )  # fmt: skip
        cost = cost_of(usage, setting["prices"], batch=setting["batch"])
        fault = rng.random() < setting["faults"] and rng.choice(["http", "reset", "timeout", "no usage", "told"])
        bill = 0.0 if fault == "http" else cost * (rng.random() if fault in {"reset", "timeout"} else 1)
        self.billed += bill  # from the moment on that it is sent
        self.per_problem[question.problem_id] += bill
        try:
            await asyncio.sleep(rng.expovariate(1 / setting["latency"]))
        finally:
            self.under_way -= 1
        if fault == "http":
            raise Unbilled(fault)
        if fault in {"reset", "timeout"}:
            raise Broken(fault)
        return None if fault == "no usage" else cost


def some_setting(rng):
    """Prices, latencies, lengths, caching, faults, concurrency and caps, all at random."""
    price = rng.choice([0.1, 1, 5])
    prices = Prices(
        input=price, output=price * rng.choice([2, 5]),
        cached_input=rng.choice([None, price / 10]), cache_write=rng.choice([None, price * 1.25, price * 2]),
        reasoning=rng.choice([None, price * 6]), batch_discount=0.5,
    )  # fmt: skip
    setting = {
        "prices": prices, "latency": rng.choice([0.1, 1, 30]), "skew": rng.choice([0.3, 1, 3, 10]),
        "most": rng.choice([100, 2000, 20_000]), "tokens_per_byte": rng.choice([(0.2, 0.3), (0.1, 1.0), (1.0, 1.0)]),
        "caches": rng.random() < 0.5, "thinks": rng.random() < 0.5, "faults": rng.choice([0, 0.1, 0.5]),
        "solves": rng.choice([0.2, 0.7]), "cancels": rng.choice([0, 0, 0.1]), "batch": rng.random() < 0.2,
        "problems": rng.randint(1, 25), "samples": rng.choice([1, 1, 3]), "concurrent": rng.choice([1, 5, 20]),
        "turns": rng.choice([1, 4]), "grading": rng.choice([0, 1]),
    }  # fmt: skip
    one = Budget(1, None, prices, batch=setting["batch"]).worst_of(request(size=2000, most=setting["most"]))
    setting["cap"] = rng.choice([None, one * rng.uniform(0.3, 3), one * rng.uniform(3, 30)])
    setting["problem_cap"] = rng.choice([None, None, one * rng.uniform(0.5, 4)])
    return setting


class Run:
    """Conversations over a budget, as a run has them."""

    def __init__(self, setting, seed, log=None, spent=0.0):
        self.setting, self.rng = setting, random.Random(seed)  # noqa: S311 - not secret
        self.service = Service(setting, self.rng)
        self.budget = Budget(
            setting["cap"], setting["problem_cap"], setting["prices"], None, spent, setting["batch"], log=log
        )
        self.ended = Counter()
        self.unfit = None
        self.at_rest = []
        """Functions that are called after each call."""

    async def converse(self, problem_id):
        sent = [Message(role="user", content="é" * self.rng.randint(10, 500))]
        for turn in range(self.setting["turns"]):
            question = Request(
                messages=sent, sampling=Sampling(max_tokens=self.setting["most"]), problem_id=problem_id, turn=turn
            )
            for _ in range(3):
                try:
                    with await self.budget.reserve(question, f"{self.service.calls} {id(sent)} {turn}") as held:
                        held.settle(await self.service.ask(question))
                    break
                except (Broken, Unbilled):
                    pass
                finally:
                    for check in self.at_rest:
                        check()
            if self.rng.random() < self.setting["solves"]:
                return "solved"
            await asyncio.sleep(self.rng.random() * self.setting["grading"])
            answer = Message(role="assistant", content="x" * self.rng.randint(0, self.setting["most"]))
            sent = [*sent, answer, Message(role="user", content="wrong")]
        return "out of turns"

    async def one(self, problem_id, slots):
        async with slots:
            try:
                self.ended[await self.converse(problem_id)] += 1
            except BudgetSpent as e:
                self.unfit = e.needed_usd
                self.ended["left"] += 1
            except ProblemBudgetSpent:
                self.ended["over"] += 1

    async def all(self):
        slots = asyncio.Semaphore(self.setting["concurrent"])
        names = [f"p{n}" for n in range(self.setting["problems"]) for _ in range(self.setting["samples"])]
        tasks = [asyncio.ensure_future(self.one(name, slots)) for name in names]
        for task in tasks:
            if self.rng.random() < self.setting["cancels"]:
                delay = self.rng.expovariate(1 / (3 * self.setting["latency"]))
                asyncio.get_running_loop().call_later(delay, task.cancel)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        wrong = [r for r in results if isinstance(r, Exception)]
        assert wrong == []
        self.ended["cancelled"] = sum(isinstance(r, asyncio.CancelledError) for r in results)


def check_the_books(done, setting):
    """What holds at every end: caps, sums, nothing left set aside, nothing left over while work remains."""
    budget, service = done.budget, done.service
    slack = 1e-9
    assert service.billed <= budget.spent_usd + slack
    assert budget._set_aside == 0 and not budget._under_way and not budget._waiting
    assert not +budget._problem_set_aside
    if setting["cap"] is not None:
        assert budget.spent_usd <= setting["cap"] + slack
    if setting["problem_cap"] is not None:
        assert max(service.per_problem.values(), default=0) <= setting["problem_cap"] + slack
        assert max(budget._per_problem.values(), default=0) * 1e-12 <= setting["problem_cap"] + slack
    if done.ended["left"]:
        assert setting["cap"] - budget.spent_usd < done.unfit
    elif setting["cap"] is None:
        assert done.unfit is None
    assert setting["problem_cap"] is None or sum(budget._per_problem.values()) == budget._spent


def test_no_run_exceeds_its_cap_and_none_stops_too_early():
    """200 random settings: never above the cap, at any time; at the end less is left than the call that did not fit."""
    seen = Counter()
    for seed in range(200):
        setting = some_setting(random.Random(seed))  # noqa: S311
        done = Run(setting, seed)
        cap = setting["cap"]
        if cap is not None:
            done.at_rest.append(lambda b=done.budget: seen.update(exceeded=b._spent + b._set_aside > b._cap))
            done.at_rest.append(lambda d=done, c=cap: seen.update(billed_too_much=d.service.billed > c + 1e-9))
        run(done.all())
        check_the_books(done, setting)
        conversations = setting["problems"] * setting["samples"]
        assert sum(done.ended.values()) == conversations, "every conversation has an end"
        seen.update(k for k, n in done.ended.items() if n)
        seen["calls"] += done.service.calls
        seen["at once"] = max(seen["at once"], done.service.most_under_way)
    assert seen["exceeded"] == seen["billed_too_much"] == 0
    assert seen["calls"] > 3000 and seen["at once"] == 20
    assert min(seen[k] for k in ("solved", "out of turns", "left", "over", "cancelled")) > 10


async def killed(done, log, when):
    """A run of which nothing is written any more from some moment on; None: it comes to its end."""
    task = asyncio.ensure_future(done.all())
    if when is not None:
        await asyncio.wait([task], timeout=when)
        log.settled = log.reserved = lambda *_: None
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def tear(path, rng):
    """What a kill in the midst of writing a line leaves of it."""
    lines = path.read_bytes() if path.exists() else b""
    if rng.random() < 0.5:
        path.write_bytes(lines + b'{"key": "999", "reser')
    elif b"settled" in lines[-60:].rsplit(b"{")[-1]:
        path.write_bytes(lines[:-3])


def test_a_cap_holds_over_sessions_that_are_killed(tmp_path):
    """30 runs, each killed up to five times in the midst of calls: the log of spending alone keeps the cap."""
    left_over = 0
    for seed in range(30):
        rng = random.Random(seed)  # noqa: S311 - not secret
        setting = some_setting(rng) | {"cancels": 0, "problem_cap": None}
        setting["cap"] = setting["cap"] or 0.5
        path, billed = tmp_path / f"{seed}.spending.jsonl", 0.0
        for session in range(6):
            log = SpendingLog(path)
            assert log.spent * 1e-12 >= billed - 1e-9
            done = Run(setting, 100 * seed + session, log)
            run(killed(done, log, None if session == 5 else rng.expovariate(1 / setting["latency"])))
            log.close()
            billed += done.service.billed
            tear(path, rng)
            assert billed <= setting["cap"] + 1e-9
        left_over += done.ended["left"] > 0
        assert not done.ended["left"] or setting["cap"] - done.budget.spent_usd < done.unfit
    assert left_over > 5


# ------------------------------------------------------------------------------------------------- one at a time


def test_first_come_first_served():
    """Who does not fit waits, and a smaller call that comes later does not overtake it for ever."""

    async def main():
        budget = Budget(2.5 * WORST, None, PRICES)
        first, second = await budget.reserve(request("a")), await budget.reserve(request("b"))
        big = asyncio.ensure_future(budget.reserve(request("c", most=220)))
        small = asyncio.ensure_future(budget.reserve(request("d", most=1)))
        await turns()
        assert not big.done() and not small.done()
        first.settle(0.0)
        await turns()
        assert not big.done() and not small.done(), "there is room for the small one, but the big one was first"
        second.settle(0.0)
        await turns()
        assert big.done()
        (await big).release()
        (await small).release()
        assert budget.spent_usd == 0

    run(main())


def test_a_call_that_does_not_fit_ends_the_run():
    """With nothing under way there is nothing to wait for; those who wait and who come later hear the same."""

    async def main():
        budget = Budget(2.5 * WORST, None, PRICES, None, WORST)  # the last: what earlier sessions have spent
        assert budget.status() == "$0.00113 of $0.00282"
        held = await budget.reserve(request("a"))
        others = [asyncio.ensure_future(budget.reserve(request(name))) for name in "bc"]
        await turns()
        held.settle(None)
        errors = await asyncio.gather(*others, return_exceptions=True)
        assert all(isinstance(e, BudgetSpent) and isinstance(e, Stopping) for e in errors)
        assert errors[0].needed_usd == pytest.approx(WORST) and not errors[0].retryable
        assert str(errors[0]).startswith("the budget is spent: $0.00226 of $0.00282, and the next call could cost")
        with pytest.raises(BudgetSpent):
            await budget.reserve(request("d", most=1))

    run(main())


def test_a_problem_has_a_cap_of_its_own():
    """Its conversation ends where the next call could exceed it; its samples wait for one another, others don't."""

    async def main():
        budget = Budget(None, 1.5 * WORST, PRICES)
        held = await budget.reserve(request("a"))
        sample = asyncio.ensure_future(budget.reserve(request("a")))
        other = await budget.reserve(request("b"))
        await turns()
        assert not sample.done()
        held.settle(0.6 * WORST)
        with pytest.raises(ProblemBudgetSpent, match=r"more than is left of the \$0.00169 for a problem") as caught:
            await sample
        assert isinstance(caught.value, ConversationOver) and not isinstance(caught.value, Stopping)
        other.settle(0.4 * WORST)
        (await budget.reserve(request("b"))).release()
        with pytest.raises(ProblemBudgetSpent):
            await budget.reserve(request("a"))

    run(main())


def test_cancellation_leaves_nothing_set_aside():
    """A waiting call that is cancelled makes room for those behind it, also in the moment in which it was its turn."""

    async def main(when):
        budget = Budget(1.5 * WORST, None, PRICES)
        held = await budget.reserve(request("a"))
        first, second = (asyncio.ensure_future(budget.reserve(request(name))) for name in "bc")
        await turns()
        if when == "granted":
            held.settle(0.0)
        first.cancel()
        await turns(20 if when == "gone" else 0)
        held.settle(0.0)
        await turns()
        assert first.cancelled() and second.done()
        (await second).settle(0.0)
        assert budget._set_aside == 0 and not budget._under_way and not budget._waiting

    for when in ("granted", "leaving", "gone"):
        run(main(when))


def test_who_gives_up_waiting_makes_room_at_once():
    """A small call need not wait for the end of the one that a cancelled larger one has waited for."""

    async def main():
        budget = Budget(1.7 * WORST, None, PRICES)
        held = await budget.reserve(request("a"))
        big = asyncio.ensure_future(budget.reserve(request("b")))
        small = asyncio.ensure_future(budget.reserve(request("c", most=1)))
        await turns()
        assert not small.done()
        big.cancel()
        await turns()
        assert small.done() and held.open

    run(main())


def test_what_a_reservation_comes_to():
    """Settled at the cost, released for nothing, lost or unknown at the worst case; the first word counts."""

    async def main():
        budget = Budget(100 * WORST, None, PRICES)
        held = await budget.reserve(request())
        held.settle(0.001)
        held.lose()
        assert budget.spent_usd == pytest.approx(0.001)
        (await budget.reserve(request())).release()
        assert budget.spent_usd == pytest.approx(0.001)
        (await budget.reserve(request())).lose()
        (await budget.reserve(request())).settle(None)
        assert budget.spent_usd == pytest.approx(0.001 + 2 * WORST)
        for error, charged in (
            (Unbilled("x"), 0),
            (Broken("x"), 1),
            (RuntimeError(), 1),
            (asyncio.CancelledError(), 1),
        ):
            before = budget.spent_usd
            with pytest.raises(type(error)), await budget.reserve(request()):
                raise error
            assert budget.spent_usd == pytest.approx(before + charged * WORST)
        with await budget.reserve(request()):
            pass
        assert budget.report()["assumed_usd"] == pytest.approx(6 * WORST)

    run(main())


def test_stop_lets_nobody_wait():
    """A run that is stopped from outside leaves no call waiting for room."""

    async def main():
        budget = Budget(1.5 * WORST, None, PRICES)
        held = await budget.reserve(request("a"))
        waiting = asyncio.ensure_future(budget.reserve(request("b")))
        await turns()
        budget.stop(Stopping("the run is being stopped"))
        with pytest.raises(Stopping, match="being stopped"):
            await waiting
        held.settle(0.001)
        with pytest.raises(Stopping):
            await budget.reserve(request("c"))

    run(main())


def test_without_a_cap_it_only_adds_up():
    """Nobody waits; what is not known is counted, and said."""

    async def main():
        budget = Budget()
        assert budget.status() == ""
        budget.check()
        held = [await budget.reserve(request()) for _ in range(100)]
        for one in held[:98]:
            one.settle(0.01)
        assert budget.status() == "$0.98"
        held[98].settle(None)
        held[99].release()
        assert budget.status() == "$0.98 and 1 calls of unknown cost"
        priced = Budget(prices=PRICES)
        (await priced.reserve(request())).settle(0.5)
        (await priced.reserve(request())).lose()
        assert priced.status() == "$0.5 to $0.501"
        assert priced.report() == {
            "spent_usd": 0.501128,
            "known_usd": 0.501128,
            "assumed_usd": 0.001128,
            "calls_of_unknown_cost": 0,
        }

    run(main())


def test_the_log_of_spending(tmp_path):
    """Two lines a call; what lacks its second counts at its worst case, by problem too; other lines are refused."""
    path = tmp_path / "x.spending.jsonl"

    async def main():
        log = SpendingLog(path)
        budget = Budget(1, None, PRICES, log=log)
        (await budget.reserve(request("a"), "1")).settle(0.0015)
        (await budget.reserve(request("b"), "2")).release()
        await budget.reserve(request("b"), "3")
        log.close()

    run(main())
    assert path.read_text().splitlines() == [
        '{"key": "1", "reserved": 0.001128, "problem_id": "a"}',
        '{"key": "1", "settled": 0.0015}',
        '{"key": "2", "reserved": 0.001128, "problem_id": "b"}',
        '{"key": "2", "settled": 0}',
        '{"key": "3", "reserved": 0.001128, "problem_id": "b"}',
    ]
    log = SpendingLog(path)
    assert log.spent * 1e-12 == pytest.approx(0.0015 + WORST) and log.per_problem["b"] * 1e-12 == pytest.approx(WORST)
    log.reserved("4", None, "c")
    assert Budget(log=log).spent_usd == pytest.approx(0.0015 + WORST)
    with pytest.raises(ConfigError, match="another run"):
        SpendingLog(path)
    log.close()
    log = SpendingLog(path)
    with pytest.raises(ConfigError, match="1 calls of earlier sessions have no known cost"):
        Budget(1, None, PRICES, 100, log=log).check()
    log.close()
    path.write_text('{"key": "1", "settled": 0.0}\n')
    with pytest.raises(DataError, match="line 1 says nothing about a call"):
        SpendingLog(path)
    path.write_text("")
    SpendingLog(path).close()
    assert not path.exists()


def test_a_full_disk_is_told_to_who_asks(tmp_path):
    """A line that can't be written is an error of the call it is about, and nothing stays set aside."""

    async def main():
        log = SpendingLog(tmp_path / "x.jsonl")
        budget = Budget(1.5 * WORST, None, PRICES, log=log)
        held = await budget.reserve(request("a"))
        waiting = asyncio.ensure_future(budget.reserve(request("b")))
        await turns()

        def full(line):
            msg = "the disk is full"
            raise ConfigError(msg)

        log._rows.write = full
        with pytest.raises(ConfigError, match="disk is full"):
            held.settle(0.0)
        with pytest.raises(ConfigError, match="disk is full"):
            await waiting
        assert budget._set_aside == 0 and not budget._waiting
        log.close()

    run(main())


def test_an_answer_that_turns_up_later(tmp_path):
    """A call that a kill left counts at its worst case until its answer is found, in the journal or in a batch; asked
    again it counts twice, since the first may have been billed too.
    """
    path = tmp_path / "x.spending.jsonl"

    async def main():
        log = SpendingLog(path)
        budget = Budget(1, None, PRICES, log=log)
        for key in "123":
            await budget.reserve(request("a"), key)
        log.close()
        log = SpendingLog(path)
        budget = Budget(1, 1, PRICES, 100, log=log)
        assert budget.spent_usd == pytest.approx(3 * WORST)
        budget.settle_earlier("1", 0.0001)
        budget.settle_earlier("1", 0.0001)
        budget.settle_earlier("2", None)
        assert budget.spent_usd == pytest.approx(2 * WORST + 0.0001)
        (await budget.reserve(request("a"), "3")).settle(0.0002)
        budget.settle_earlier("3", 0.0001)
        assert budget.spent_usd == pytest.approx(2 * WORST + 0.0003)
        log.close()
        assert SpendingLog(path).spent * 1e-12 == pytest.approx(2 * WORST + 0.0003)

    run(main())


def test_a_further_turn_is_known_better():
    """Of a conversation that the service has counted, the next turn can hold those tokens and the bytes that are new;
    another conversation, whatever it holds, is bounded by its bytes.
    """

    async def main():
        budget = Budget(1000, None, PRICES)
        opening = request("a", size=5)
        before = budget.worst_of(opening)
        budget.learn(opening, Usage(input_tokens=20, output_tokens=30))
        answer, more = Message(role="assistant", content="y" * 5000), Message(role="user", content="x" * 10)
        turn = Request(messages=[*opening.messages, answer, more], sampling=opening.sampling, problem_id="a", turn=1)
        assert budget.worst_of(turn) == pytest.approx((50 + 10 + 3 * 16 + 100 * 10) / 1e6)
        assert budget.worst_of(request("b", size=5)) == before

    run(main())
