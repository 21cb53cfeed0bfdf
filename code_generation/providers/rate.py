"""How many calls a second may go: what rate headers state, else what the refusals (429) teach.

The constants were tuned in virtual time, over some thousand random settings (`test_scripts/rate_simulation.py`).
"""

from __future__ import annotations

import math
from typing import Literal

from code_generation.providers.rate_belief import Rivals
from code_generation.providers.rate_gate import Gate
from code_generation.providers.rate_record import BIN_S, SILENCE_S, Call, Record

Source = Literal["given", "headers", "measured", "start"]
"""Who says how many calls may go: the user, the service, its refusals; `start` while nobody has said anything."""

FIRST_CALLS = 5
"""Calls that go at once. A service that takes twenty a second may have room for no more than two of a wave: what is
lost of five is nothing, a handful of calls doesn't wait, and some dozens are on their way within two seconds, which is
little beside the time of an answer."""
START_PER_S = 20.0
"""Calls a second that go until something is known."""
FASTEST = math.log(2)
"""Growth in a second, as a logarithm: at most a doubling."""
UNSEEN = 0.25
"""Growth, as a logarithm, that may go on before its effect is seen, once there was a limit."""
HEADER_SHARE = 0.995
"""Part of a stated limit that is used: clocks and networks are not even."""
LEAST_STATED = 1e-3
"""Calls or tokens a second; less is taken for no statement of a rate."""
STATED_WRONGLY = 0.02
"""How likely the limit is below the stated one."""

SURE_AT_START, SURE_STATED, SURE = 0.99, 0.995, 0.92
"""How likely the limit must be exceeded for a cut: at the start, against what the service states, and else: a rate that
is a little too high costs little, one that is far too low costs the run."""
SUSPECTED_S = 1.5
"""At the start, it is also enough to be as sure as later for so many seconds."""
SURE_CLEAN, SURER = 0.6, 25.0
"""Where nothing is refused at random, the first refusals mean it; surer by so much with the background."""
UNDERSHOOT = 0.975
"""Part of the measured limit that is used after a cut."""
KEEP = 0.62
"""Part of what got through lately that a cut leaves at least: refusals come in clusters."""
AHEAD = 1.15
"""Multiple of the rate up to which growth looks ahead for a limit."""
STEEP, STEEPNESS = 1.5, 3.3
"""Growth in a second where no limit is ahead, as a logarithm, and how steeply it falls with how likely one is."""
CREEP_PER_S, CREEP_DOUBLES_S = 0.004, 2.8
"""Growth in a second past what is believed to be the limit, and seconds in which it doubles."""
NEAR, PLATEAU_S = 0.95, 12.0
"""After a cut, growth creeps from this part of what got through then, for so many seconds."""
CASCADE_S = 1.0
"""Cuts that follow each other sooner are one."""
RESUMED_PER_S = 1.0
"""Least rate after a pause: a long time in which nothing got through says nothing about what comes after it."""
LEAST_PER_S = 0.05
"""Calls a second that go in any case."""
MOST_STEP_S = 0.25
"""Growth at a time: who has slept has not waited."""

DOUBTFUL, DIP, DIP_S, DIP_EVERY_S = 0.05, 0.7, 1.0, 8.0
"""A background above the first is tried now and then at a part of the rate: a limit would refuse less there."""

KNOWN = 0.9
"""How likely the limit is what got through on average until nothing did any more."""

CREDIT_S, TOKEN_CREDIT_S = 0.05, 0.5
"""Seconds of calls and of tokens that may be saved up."""
TICK_S = 0.005
"""Nobody is asked to come back sooner: at high rates several calls go at a time."""
FORGET_S = 0.5
"""The passing of time is thought about once in so many seconds."""


class Budget:
    """So much a second, of which a little may be saved up. May be overdrawn: who comes next waits."""

    def __init__(self, per_s: float, saved_s: float) -> None:
        """`per_s` infinite: no limit. `saved_s`: seconds of it that may be saved up."""
        self.per_s, self._saved_s = per_s, saved_s
        self.level = per_s * saved_s

    def change(self, per_s: float) -> None:
        """It is so much from now on."""
        if self.per_s == math.inf:
            self.level = per_s * self._saved_s
        self.per_s = per_s

    def accrue(self, seconds: float) -> None:
        """So many seconds have passed, more than 0."""
        self.level = min(self.per_s * self._saved_s, self.level + self.per_s * seconds)

    @property
    def wait_s(self) -> float:
        """Seconds until it isn't overdrawn any more."""
        return max(0.0, -self.level / self.per_s)


class RateController:
    """Paces calls and their tokens. Times are seconds of any clock that doesn't go back.

    Ask `delay_s`, tell `sent`, and then one of `answered`, `refused`, `failed`.
    """

    def __init__(self, *, rpm: float | None = None, tpm: float | None = None) -> None:
        """`rpm` and `tpm`: calls and tokens a minute that are never exceeded."""
        self._given = math.inf if rpm is None else rpm / 60
        self._tokens_given = math.inf if tpm is None else tpm / 60
        self._stated = math.inf
        self.rate = min(START_PER_S, self._given)
        """Calls a second that are allowed now; sizes a second where the tokens are what is limited."""
        self.tokens = Budget(self._tokens_given, TOKEN_CREDIT_S)
        """Tokens that the user or the service allows."""
        self._ceiling = Budget(self._given, CREDIT_S)
        self._beliefs = Rivals(self.rate)
        self._unit = 0.0
        self._record = Record()
        self._gate = Gate()
        self._credit = min(float(FIRST_CALLS), max(1.0, self._given))
        self._starting = True
        self._limited = False
        self._exceeded = self._ahead = self._quiet_s = 0.0
        self._plateau = math.inf
        self._at = self._first_at = self._suspected_at = math.nan
        self._looked_at = self._forgot_at = self._dipped_at = -math.inf

    @property
    def calls_per_s(self) -> float:
        """Calls of the recent size a second that are allowed now."""
        size = self._record.mean_size
        by_rate = self.rate / size if self._beliefs.by_size else self.rate
        return min(by_rate, self._given, self._stated, self.tokens.per_s / (size * (self._unit or 1.0)))

    @property
    def source(self) -> Source:
        """Who says how many calls may go."""
        calls_per_s = self.calls_per_s
        if self.tokens.per_s < math.inf and calls_per_s < 0.98 * self.rate:
            return "given" if self.tokens.per_s == self._tokens_given else "headers"
        if calls_per_s < 0.98 * min(self._given, self._stated):
            return "start" if self._starting else "measured"
        return "headers" if self._stated < self._given else "given"

    def delay_s(self, now: float) -> float:
        """Seconds until the next call may go; 0: at once. Asking means that a call waits."""
        self._advance(now)
        if self._gate.is_shut(now):
            return max(TICK_S, self._gate.opens_at - now)
        if self._gate.probe is not None:
            self._resume(now)
        elif self._gate.tries:
            return 0.0
        wait_s = max(0.0, (1 - self._credit - 1e-9) / self.rate)
        others_s = max(self.tokens.wait_s, self._ceiling.wait_s if self._beliefs.by_size else 0.0)
        if wait_s > others_s:
            self._limited = True
            self._record.note_limited()
        wait_s = max(wait_s, others_s)
        return max(wait_s, TICK_S) if wait_s > 0 else 0.0

    def sent(self, now: float, tokens: float = 0.0) -> Call:
        """A call goes that is expected to take so many tokens."""
        self._advance(now)
        rate = self.rate
        if math.isnan(self._first_at):
            self._first_at = self._gate.opened_at = now
            rate = math.inf  # the first wave goes faster than any rate
        self._unit = self._unit or max(1.0, tokens)
        size = max(1.0, tokens) / self._unit if tokens else 1.0
        self._charge(size, tokens)
        call = Call(now, self._record.add(now, math.inf if self._gate.tries else rate, size), size, tokens)
        if self._gate.tries:
            self._gate.admit(call, self._record.settled_s)
        return call

    def _charge(self, size: float, tokens: float, sign: int = 1) -> None:
        self._credit -= sign * (size if self._beliefs.by_size else 1.0)
        self._ceiling.level -= sign
        self.tokens.level -= sign * tokens

    def unsent(self, call: Call) -> None:
        """The call was not made after all."""
        call.bin.sent -= 1
        call.bin.size -= call.size
        self._charge(call.size, call.tokens, -1)
        self._gate.forget(call)

    def answered(self, call: Call, now: float, tokens: float | None = None) -> None:
        """An answer came; it took so many tokens, None if that is not known."""
        if tokens is not None:
            self.tokens.level += call.tokens - tokens
        self._record.note_answer(call, now)
        if call is self._gate.probe:
            self._resume(now)

    def refused(self, call: Call, now: float, retry_after_s: float | None = None) -> None:
        """The call was answered 429."""
        self.tokens.level += call.tokens
        self._record.note_refusal(call, now)
        self._gate.retry_after_s = retry_after_s or 0.0
        if call is self._gate.probe:
            self._gate.shut(now)

    def failed(self, call: Call, now: float) -> None:
        """Something else came of the call: it has been let in."""
        if call is self._gate.probe:
            self._resume(now)

    def hold(self, now: float, seconds: float) -> None:
        """No call goes for so long."""
        self._gate.opens_at = max(self._gate.opens_at, now + seconds)

    def hint(self, now: float, *, requests_per_s: float | None = None, tokens_per_s: float | None = None) -> None:
        """The service states limits; None: it doesn't say."""
        if tokens_per_s is not None:
            self.tokens.change(min(self._tokens_given, max(LEAST_STATED, HEADER_SHARE * tokens_per_s)))
        stated = None if requests_per_s is None else max(LEAST_STATED, HEADER_SHARE * requests_per_s)
        if stated is None or stated == self._stated:
            return
        self._stated = stated
        self.rate = min(self._stated, self._given)
        self._ceiling.change(self.rate)
        self._starting = False
        self._believe(now, Rivals(self.rate, lower=STATED_WRONGLY))

    def _advance(self, now: float) -> None:
        """Time has passed."""
        passed_s = now - self._at
        if passed_s <= 0:
            return
        self._at = now
        if math.isnan(passed_s):
            return
        if self._limited and not self._gate.tries and now - self._dipped_at > DIP_S:
            self._grow(now, min(passed_s, MOST_STEP_S))
        most = max(1 + CREDIT_S * self.rate, min(self._credit, FIRST_CALLS))
        self._credit = min(most, self._credit + self.rate * passed_s)
        self.tokens.accrue(passed_s)
        self._ceiling.accrue(passed_s)
        self._limited = False
        if now - self._looked_at >= BIN_S:
            self._look(now)

    def _grow(self, now: float, seconds: float) -> None:
        """Calls wait for the rate: let more of them go, unless nothing was heard yet."""
        if not self._record.has_news and now - self._first_at < SILENCE_S:
            return
        self._quiet_s += seconds
        creep = CREEP_PER_S * 2 ** min(self._quiet_s / CREEP_DOUBLES_S, 10)
        free = STEEP * (1 - self._ahead) ** STEEPNESS
        if self.rate > NEAR * self._plateau and self._quiet_s < PLATEAU_S:
            free = 0.0  # a window that lets calls in by bursts makes the belief doubt itself
        most = FASTEST if self._starting else min(FASTEST, UNSEEN / (self._record.settled_s + BIN_S))
        self.rate *= math.exp(seconds * min(most, max(creep, free)))
        self._limit_rate()

    def _limit_rate(self) -> None:
        if not self._beliefs.by_size:
            self.rate = min(self.rate, self._given, self._stated)

    def _look(self, now: float) -> None:
        """Learn from what has become of the calls, and draw conclusions."""
        self._looked_at = now
        beliefs, gate = self._beliefs, self._gate
        factor = 1.0
        for b, rate, size in self._record.news(now, by_size=beliefs.by_size):
            gate.note(b)
            if rate < math.inf:
                factor *= beliefs.learn(rate, size, b.sent, b.refused)
        self.rate *= factor
        self._limit_rate()
        if now - self._forgot_at > FORGET_S:
            beliefs.forget(min(now - self._forgot_at, 1.0))
            self._forgot_at = now
        flow = self._record.flow(now, self.rate, by_size=beliefs.by_size)
        belief = beliefs.believed
        belief.move(self.rate)
        if gate.is_stuck(now - self._record.settled_s):
            gate.shut(now)
            self._starting = False
        if gate.tries:
            return
        self._exceeded = belief.exceeded(self.rate)
        self._ahead = belief.exceeded(AHEAD * self.rate)
        if self._exceeded < SURE:
            self._suspected_at = now
        suspected = self._starting and now - self._suspected_at > SUSPECTED_S
        if (self._exceeded > self._sure or suspected) and self._record.refused:
            self._cut(flow)
        elif belief.background > DOUBTFUL and now - self._dipped_at > DIP_EVERY_S:
            self._dipped_at = now
            self.rate *= DIP

    @property
    def _sure(self) -> float:
        if self._starting:
            return SURE_AT_START
        if self.source == "headers":
            return SURE_STATED
        return min(SURE, SURE_CLEAN + SURER * self._beliefs.believed.background)

    def _cut(self, flow: float) -> None:
        """Go back to the limit, where `flow` calls a second got through lately."""
        self._plateau = max(flow, self._plateau) if self._quiet_s < CASCADE_S and not self._starting else flow
        self._starting = False
        self._quiet_s = 0.0
        limit = max(UNDERSHOOT * self._beliefs.believed.limit_below(self.rate), KEEP * flow, LEAST_PER_S)
        if limit < self.rate:
            self.rate = limit
            self._credit = min(self._credit, 1.0)

    def _resume(self, now: float) -> None:
        """Calls get through again: at the rate that was possible over all the time since the last pause."""
        mean = self._gate.open(now)
        self._starting = mean is None
        self.rate = min(START_PER_S if mean is None else max(mean, RESUMED_PER_S), self._given, self._stated)
        self._believe(now, Rivals(self.rate, known=0.0 if mean is None else KNOWN))
        self._credit = 1.0

    def _believe(self, now: float, beliefs: Rivals) -> None:
        """Start to learn anew."""
        self._beliefs = beliefs
        self._record.disregard(now)
        self._credit = min(self._credit, 1.0)
