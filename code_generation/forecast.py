"""What a whole run will come to, from a few finished conversations that were drawn from it at random.

Pure statistics. Costs are skewed: most problems are solved in the first turn, a few go through all of them. So the
intervals are not symmetric, and their upper ends reckon with what a small pilot had no luck to see: one conversation
dearer than any it saw and, where none of it went through all turns, some that do. Nominal 95 %; what is reached is
measured in the tests, 90 of 100 and more for every kind of costs in which dear conversations come from more turns or
are not rarer than about 2 in the pilot's number. What is rare, dear and of another origin no pilot can rule out:
`unseen_share` and `unseen_usd` say how much of it may be hidden.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TAIL = 0.025
"""Of the distribution beyond each end of an interval."""
STUDENT = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622)
"""97.5 % points of Student's distribution with 1 to 9 degrees of freedom."""
NORMAL = 1.959963984540054
BEYOND = 2.0
"""The pilot's dearest conversation is this far from the mean, times: so far away one more is reckoned with."""
LUCK = 0.4
"""Share of pilots that would have missed a kind as frequent as is reckoned with."""
RULED_OUT = 0.05
"""Share of pilots that would have missed a kind as frequent as `unseen_share`."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """One conversation of the pilot."""

    cost_usd: float | None
    """None: unknown."""
    seconds: float
    """How long it took, without waiting for a rate limit."""
    solved: bool
    turns: int | None = None
    """Answers it took; None: not told."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value to expect, and the ends of its interval."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is to be expected of a whole run, its pilot included."""

    pilot: int
    total: int
    """Conversations."""
    cost_usd: Interval | None
    """None: the cost of some conversation of the pilot is unknown."""
    solved: Interval
    """Conversations."""
    seconds: Interval
    """Until the end, from the pilot's end on."""
    unseen_share: float
    """Conversations of a kind that is not in the pilot may be up to this share of the rest (95 %)."""
    unseen_usd: float | None
    """What they would cost at most, beside `cost_usd`; None: no ceiling is known."""
    at_most_usd: float | None
    """The pilot's cost and the ceiling for each of the rest."""


def forecast(
    pilot: Sequence[Finished],
    total: int,
    *,
    max_turns: int | None = None,
    concurrency: int = 1,
    calls_per_s: float | None = None,
    ceiling_usd: float | None = None,
) -> Forecast:
    """Estimate a run of `total` conversations from a random sample of them; the pilot's own part is known.

    `ceiling_usd`: what one conversation can cost at most.

    Raises:
        ValueError: the pilot is no sample of so many, or holds less than two conversations.
    """
    n, rest = len(pilot), total - len(pilot)
    if rest < 0 or n < min(2, total) or not n:
        msg = f"{n} of {total} conversations are no pilot: at least 2 are needed, and not more than there are"
        raise ValueError(msg)
    costs = [c.cost_usd for c in pilot if c.cost_usd is not None]
    known = len(costs) == n
    share = 1 - RULED_OUT ** (1 / n)
    return Forecast(
        pilot=n,
        total=total,
        cost_usd=_cost(costs, rest, _longest(costs, pilot, max_turns, power=2), ceiling_usd) if known else None,
        solved=_solved(sum(c.solved for c in pilot), n, total),
        seconds=_seconds(pilot, rest, max_turns, concurrency, calls_per_s),
        unseen_share=share if rest else 0.0,
        unseen_usd=None if ceiling_usd is None else _many(rest, share) * ceiling_usd,
        at_most_usd=math.fsum(costs) + rest * ceiling_usd if known and ceiling_usd is not None else None,
    )


def _cost(costs: Sequence[float], rest: int, longest: float | None, ceiling: float | None) -> Interval:
    """The pilot's cost, which is known, and that of the rest."""
    spent, most = math.fsum(costs), math.inf if ceiling is None else ceiling
    more = rest_of(costs, rest, longest and min(longest, most))
    high = min(more.high, max(more.expected, rest * most)) if rest else 0.0
    return Interval(low=spent + more.low, expected=spent + more.expected, high=spent + high)


def rest_of(values: Sequence[float], rest: int, longest: float | None = None) -> Interval:
    """The sum over `rest` further members of a finite population, of which `values` were drawn at random.

    Its ends are those of intervals of the mean, widened for the rest's own chance: by sqrt(N / (N - n)), which is the
    prediction of a finite population's total (W. G. Cochran, Sampling Techniques, 1977, 2.9). Below: the smaller of
    Student's and of Hall's, whose cubic transformation takes the skewness out of Student's statistic (P. Hall, 1992, On
    the removal of skewness by transformation, JRSS B 54, 221-228). Above: the largest of Hall's, of Student's with one
    more value, as far beyond the largest as that is from the mean, and, where no value stands for a conversation
    through all turns, of Hall's with a number of those, at `longest` each, that a pilot misses 40 times in 100.
    """
    n, mean = len(values), fmean(values)
    if not rest or n == 1:
        return Interval(low=rest * mean, expected=rest * mean, high=rest * mean)
    wider = math.sqrt((n + rest) / rest)
    below, above = _hall(values)
    one_more = [*values, mean + BEYOND * (max(values) - mean)]
    high = max(above, fmean(one_more) - mean + _student(n - 1) * _spread(one_more) / math.sqrt(n + 1))
    low = max(below, _student(n - 1) * _spread(values) / math.sqrt(n))
    most = rest * (mean + high * wider)
    if longest is not None:
        many = _many(rest, 1 - LUCK ** (1 / n))
        most = max(most, (rest - many) * (mean + above * wider) + many * longest)
    return Interval(low=max(0.0, rest * (mean - low * wider)), expected=rest * mean, high=most)


def _hall(values: Sequence[float]) -> tuple[float, float]:
    """How far the interval of the mean reaches below it and above."""
    n, mean = len(values), fmean(values)
    spread = _spread(values)
    q = _student(n - 1) / math.sqrt(n)
    if spread <= 1e-12 * abs(mean):
        return 0.0, 0.0
    skew = math.fsum((v - mean) ** 3 for v in values) / n / (spread * math.sqrt((n - 1) / n)) ** 3
    if abs(skew) < 1e-6:  # noqa: PLR2004
        return q * spread, q * spread

    def back(y: float) -> float:
        return 3 / skew * (math.cbrt(1 + skew * (y - skew / (6 * n))) - 1)

    return back(q) * spread, -back(-q) * spread


def _spread(values: Sequence[float]) -> float:
    """Standard deviation, by n - 1."""
    mean = fmean(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _student(freedom: int) -> float:
    """97.5 % point; from 10 degrees on the expansion 26.7.5 of Abramowitz and Stegun (1964)."""
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    z, v = NORMAL, freedom
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    return z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v * v) + third


def _many(rest: int, share: float) -> float:
    """How many of the rest may be of a kind with this share, chance included."""
    mean = rest * share
    return min(float(rest), mean + 1.5 * math.sqrt(mean * (1 - share)))


def _longest(values: Sequence[float], pilot: Sequence[Finished], max_turns: int | None, power: int) -> float | None:
    """What a conversation through all turns would have, by those with the most turns; None: some went so far, or
    nobody knows. Costs grow with the square of the turns, as every turn is read again in the next ones; time does not.
    """
    turns = [c.turns for c in pilot if c.turns]
    if max_turns is None or len(turns) < len(pilot) or max(turns) >= max_turns:
        return None
    seen = max(turns)
    mean = fmean(v for v, t in zip(values, turns, strict=True) if t == seen)
    return mean * (max_turns / seen if power == 1 else max_turns * (max_turns + 1) / (seen * (seen + 1)))


def _seconds(
    pilot: Sequence[Finished], rest: int, max_turns: int | None, concurrency: int, calls_per_s: float | None
) -> Interval:
    """Time of the rest: its work shared out, or its calls at their rate, whichever is slower, and then the last one.

    Work W on c hands takes between W / c and W / c + (1 - 1 / c) times the longest piece (R. L. Graham, 1969, Bounds on
    multiprocessing timing anomalies, SIAM J. Appl. Math. 17, 416-429).
    """
    if not rest:
        return Interval(low=0.0, expected=0.0, high=0.0)
    seconds = [c.seconds for c in pilot]
    longest = _longest(seconds, pilot, max_turns, power=1)
    work = rest_of(seconds, rest, longest)
    calls = rest_of([c.turns or 1 for c in pilot], rest, None if longest is None else max_turns)
    hands = min(max(1, concurrency), rest)
    per_call = 0.0 if calls_per_s is None else 1 / calls_per_s
    last = (1 - 1 / hands) * max(seconds)
    dearest = fmean(seconds) + BEYOND * (max(seconds) - fmean(seconds))
    return Interval(
        low=max(work.low / hands, calls.low * per_call),
        expected=max(work.expected / hands, calls.expected * per_call) + last / 2,
        high=max(work.high / hands, calls.high * per_call) + (1 - 1 / hands) * max(dearest, longest or 0.0),
    )


def _solved(solved: int, n: int, total: int) -> Interval:
    """Conversations that will be solved of all: the exact interval of a finite population, by both tails of the
    hypergeometric distribution (J. P. Buonaccorsi, 1987, A note on confidence intervals for proportions in finite
    populations, American Statistician 41, 215-218). It covers 95 of 100 at least.
    """
    rest = total - n
    first, last = solved, solved + rest

    def fewest(low: int, high: int) -> int:
        while low < high:  # the first number under which so many solved ones are not too many
            middle = (low + high) // 2
            low, high = (low, middle) if _tail(solved, n, middle, total, up=True) > TAIL else (middle + 1, high)
        return low

    def most(low: int, high: int) -> int:
        while low < high:  # the last number under which so few are not too few
            middle = (low + high + 1) // 2
            low, high = (middle, high) if _tail(solved, n, middle, total, up=False) > TAIL else (low, middle - 1)
        return low

    return Interval(low=fewest(first, last), expected=solved + rest * solved / n, high=most(first, last))


def _tail(seen: int, n: int, good: int, total: int, *, up: bool) -> float:
    """P(X >= seen), or P(X <= seen), where n of `total` are drawn without putting back, of which `good` are good."""

    def log_choose(a: int, b: int) -> float:
        return math.lgamma(a + 1) - math.lgamma(b + 1) - math.lgamma(a - b + 1)

    bad = total - good
    term = math.exp(log_choose(good, seen) + log_choose(bad, n - seen) - log_choose(total, n))
    tail, x = 0.0, seen
    while 0 <= x <= n and term > 0:
        tail += term
        if up:
            term *= (good - x) * (n - x) / ((x + 1) * (bad - n + x + 1))
        else:
            term *= x * (bad - n + x) / ((good - x + 1) * (n - x + 1))
        x += 1 if up else -1
    return tail
