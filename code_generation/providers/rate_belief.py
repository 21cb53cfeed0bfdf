"""What the refusals (429) say about a rate limit that nobody states: a posterior over where it is.

The model: of calls that are sent at `r` a second to a service that lets `limit` a second pass and refuses a share
`background` of all calls at any rate, `max(background, 1 - limit / r)` are refused. Both are unknown and are learnt
together, so that refusals at random are told from a limit: they don't grow with the rate. Bayes' rule on a grid, with
a limit that may wander and jump (a hidden Markov model). The constants were tuned in virtual time, over some thousand
random settings (`test_scripts/rate_simulation.py`).
"""

from __future__ import annotations

import math
from operator import mul

STEP = 0.025
"""Distance of two limits of the grid, as a logarithm."""
BELOW, CELLS = 80, 110
"""The grid reaches from a seventh of the rate to twice the rate."""
LIMITS = [math.exp(i * STEP) for i in range(CELLS)]
"""Limits of the grid, as multiples of the lowest. The last cell stands for all above."""
BACKGROUNDS = (0.002, 0.01, 0.03, 0.06, 0.12, 0.25)
PRIOR = (0.65, 0.15, 0.17, 0.0275, 0.002, 0.0005)
"""How likely each background is, before anything is known."""
HAZARD = 0.02
"""How likely the limit is in a cell, if it is not below."""
LOWER = 0.1
"""How likely it is below the rate, before anything is known: time alone must not make a rate suspect."""
WANDER_PER_S = 0.03
"""How likely the limit moves by a cell in a second."""
JUMP_PER_S = 0.015
"""How likely it moves anywhere."""
CHANGE_PER_S = 0.0003
"""How likely the background is another one."""
MOST_CALLS = 12
"""Calls of one observation that count in full: of calls sent at about the same time, what becomes of them is alike."""
LEAD, MOST_LEAD = 5.0, 10.0
"""By how much one belief has to foresee better than the other to be believed; more than the second is forgotten."""
FAR = 6
"""Cells by which the rate may be off its place in the grid."""


def _spread(lower: float) -> list[float]:
    """How likely the limit is in each cell, where it is below the rate as likely as `lower`."""
    above = [HAZARD * (1 - HAZARD) ** i for i in range(CELLS - BELOW - 1)]
    return [lower / BELOW] * BELOW + [(1 - lower) * cell for cell in (*above, 1 - sum(above))]


ANYWHERE = _spread(LOWER)


class LimitBelief:
    """How likely each limit (calls a second) and each background (share of calls refused at random) is."""

    def __init__(self, rate: float, *, lower: float = LOWER, known: float = 0.0) -> None:
        """`known`: how likely the limit is about `rate`; `lower`: how likely it is below, if it isn't there."""
        self._lowest = math.log(rate) - BELOW * STEP
        cells = [(1 - known) * cell for cell in _spread(lower)]
        for i in range(BELOW, BELOW + 3):
            cells[i] += known / 3
        self._weights = [[prior * cell for cell in cells] for prior in PRIOR]

    @property
    def background(self) -> float:
        """The expected share of calls that are refused at random, 0 to 1."""
        return sum(b * sum(row) for b, row in zip(BACKGROUNDS, self._weights, strict=True))

    def learn(self, rate: float, sent: int, refused: float) -> float:
        """Of `sent` calls that went at `rate` a second, `refused` were refused. Returns how well that was foreseen: the
        logarithm of the likelihood.
        """
        weight = min(1.0, MOST_CALLS / sent)
        refused *= weight
        accepted = weight * sent - refused
        here = (math.log(rate) - self._lowest) / STEP
        above = math.exp(-here * STEP)
        cells = range(min(CELLS - 1, max(0, math.ceil(here))))
        shares = [LIMITS[i] * above for i in cells]
        factors = [(1 - s) ** refused * s**accepted for s in shares]
        rows = []
        for b, row in zip(BACKGROUNDS, self._weights, strict=True):
            flat = b**refused * (1 - b) ** accepted
            n = max(0, min(len(factors), math.ceil(here + math.log1p(-b) / STEP)))
            rows.append([*map(mul, row[:n], factors), *[w * flat for w in row[n:]]])
        foreseen = sum(map(sum, rows))
        self._weights = [[w / foreseen for w in row] for row in rows]
        return math.log(foreseen)

    def forget(self, seconds: float) -> None:
        """Time passes: the limit may be another one."""
        side, jump, change = 0.5 * WANDER_PER_S * seconds, JUMP_PER_S * seconds, CHANGE_PER_S * seconds
        stay = (1 - jump) * (1 - change)
        middle, side = stay * (1 - 2 * side), stay * side
        rows = []
        for prior, row in zip(PRIOR, self._weights, strict=True):
            jumped = (1 - change) * jump * sum(row) + change * prior
            left, right = [row[0], *row[:-1]], [*row[1:-1], row[-1] * HAZARD, 0.0]
            cells = zip(row, left, right, ANYWHERE, strict=True)
            rows.append([middle * w + side * (a + b) + jumped * c for w, a, b, c in cells])
        total = sum(map(sum, rows))  # what wandered off the grid is lost
        self._weights = [[w / total for w in row] for row in rows]

    def move(self, rate: float) -> None:
        """Make `rate` the middle of what is told apart."""
        cells = round((math.log(rate) - self._lowest) / STEP) - BELOW
        n = min(abs(cells), CELLS - 1)
        if n < FAR:
            return
        for row in self._weights:
            if cells > 0:
                row[: n + 1] = [sum(row[: n + 1])]
                for _ in range(n):
                    top = row[-1]
                    row[-1] = top * HAZARD
                    row.append(top * (1 - HAZARD))
            else:
                row[-n - 1 :] = [sum(row[-n - 1 :])]
                row[:1] = [row[0] / (n + 1)] * (n + 1)
        self._lowest += cells * STEP

    def exceeded(self, rate: float) -> float:
        """How likely `rate` is above the limit, so that it causes more refusals than the background, 0 to 1."""
        return min(1.0, sum(sum(row[:n]) for n, row in zip(self._beyond(rate), self._weights, strict=True)))

    def limit_below(self, rate: float) -> float:
        """Where the limit is, calls a second, if `rate` is above it.

        At that rate not even the background's part of it is too much: what is refused there shows the background.
        """
        mass = moment = 0.0
        for n, row in zip(self._beyond(rate), self._weights, strict=True):
            mass += sum(row[:n])
            moment += sum(map(mul, row[:n], range(n)))
        return math.exp(self._lowest + STEP * moment / mass) if mass else rate

    def _beyond(self, rate: float) -> list[int]:
        """For each background, how many limits are so low that `rate` exceeds them noticeably."""
        here = (math.log(rate) - self._lowest) / STEP + 0.5
        return [max(0, min(CELLS - 1, int(here + math.log1p(-b) / STEP))) for b in BACKGROUNDS]


class Rivals:
    """Two beliefs about the same refusals: that calls are limited, or the tokens they take.

    Sizes are tokens as multiples of those of some call, so that both count about the same. Whichever has foreseen what
    came to be is believed.
    """

    def __init__(self, rate: float, *, lower: float = LOWER, known: float = 0.0) -> None:
        """See `LimitBelief`."""
        self._by_calls = LimitBelief(rate, lower=lower, known=known)
        self._by_size = LimitBelief(rate, lower=lower, known=known)
        self.by_size = False
        """Whether the rate is that of sizes, not of calls."""
        self._lead = 0.0

    @property
    def believed(self) -> LimitBelief:
        """The one that has foreseen more."""
        return self._by_size if self.by_size else self._by_calls

    def learn(self, rate: float, size: float, sent: int, refused: int) -> float:
        """Of `sent` calls of mean `size` that went at `rate`, `refused` were refused. Returns what the rate is to be
        multiplied with, which is 1 unless the other one is believed now.
        """
        calls, sizes = (rate / size, rate) if self.by_size else (rate, rate * size)
        self._by_calls.move(calls)
        self._by_size.move(sizes)
        gain = self._by_size.learn(sizes, sent, refused) - self._by_calls.learn(calls, sent, refused)
        self._lead = max(-MOST_LEAD, min(MOST_LEAD, self._lead + gain))
        if self._lead > LEAD and not self.by_size:
            self.by_size = True
            return size
        if self._lead < -LEAD and self.by_size:
            self.by_size = False
            return 1 / size
        return 1.0

    def forget(self, seconds: float) -> None:
        """See `LimitBelief.forget`."""
        self._by_calls.forget(seconds)
        self._by_size.forget(seconds)
