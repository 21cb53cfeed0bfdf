"""How many tokens a call will take, before it is made."""

from __future__ import annotations

PER_CHARACTER = 0.3
"""Tokens a character of input, before anything is known: code and English."""
OUTPUT = 500.0
"""Tokens of an answer, before anything is known."""
LEAST_PER_CHARACTER, MOST_PER_CHARACTER = 0.05, 2.0
KEEP = 0.995
"""What a call counts for after one more: about the last 200 are remembered."""
TRUST_PER_CHARACTER, TRUST_OUTPUT = 20.0, 1.0
"""How much the two assumptions count, in squares of a thousand characters and in calls."""


class CostEstimator:
    """Learns tokens a character of input and the mean output: a line through (characters, tokens in all).

    Least squares with a ridge towards what was assumed, and with forgetting: calls that grow longer turn by turn are
    followed.
    """

    def __init__(self) -> None:
        self._per_character = PER_CHARACTER
        self._output = OUTPUT
        self._n = self._x = self._xx = self._y = self._xy = 0.0

    def estimate(self, characters: int) -> float:
        """Tokens, input and output, of a call with so many characters of input; at least 1."""
        return max(1.0, self._per_character * characters + self._output)

    def learn(self, characters: int, tokens: float) -> None:
        """A call with so many characters of input took so many tokens in all."""
        x = characters / 1000
        self._n = KEEP * self._n + 1
        self._x = KEEP * self._x + x
        self._xx = KEEP * self._xx + x * x
        self._y = KEEP * self._y + tokens
        self._xy = KEEP * self._xy + x * tokens
        xx, n = self._xx + TRUST_PER_CHARACTER, self._n + TRUST_OUTPUT
        xy = self._xy + TRUST_PER_CHARACTER * PER_CHARACTER * 1000
        y = self._y + TRUST_OUTPUT * OUTPUT
        slope = (n * xy - self._x * y) / (n * xx - self._x * self._x)
        self._per_character = min(MOST_PER_CHARACTER, max(LEAST_PER_CHARACTER, slope / 1000))
        self._output = max(0.0, (y - self._per_character * 1000 * self._x) / n)

    @property
    def input_share(self) -> float:
        """The part of all tokens that is input, 0 to 1; a half before anything is known."""
        return min(1.0, self._per_character * 1000 * self._x / self._y) if self._y else 0.5
