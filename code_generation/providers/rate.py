"""How many calls a second may go: what rate headers state, else what the refusals (429) teach."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from code_generation.providers.rate_belief import HAZARD, LimitBelief
from code_generation.providers.rate_record import BIN_S, SILENCE_S, Call, Record

if TYPE_CHECKING:
    from code_generation.providers.rate_record import Bin

Source = Literal["given", "headers", "measured", "start"]
"""Who says how many calls may go: the user, the service, its refusals; `start` while nobody has said anything."""

FIRST_CALLS = 5
"""Calls that go at once. A service that takes twenty a second may have room for no more than two of a wave: what is
lost of five is nothing, a handful of calls doesn't wait, and some dozens are on their way within two seconds, which is
little beside the time of an answer."""
START_PER_S = 20.0
FASTEST = math.log(2)
"""Growth in a second, as a logarithm: at most a doubling."""
HEADER_SHARE = 0.995
"""Part of a stated limit that is used: clocks and networks are not even."""
STATED = HAZARD / 50
"""How likely the limit is below the stated one, for each cell of the grid."""

SURE_AT_START, SURE, SURE_STATED = 0.998, 0.92, 0.995
SURE_CLEAN, SURER = 0.6, 25.0
"""How likely the limit must be exceeded for a cut: at the start, later, and against what the service states."""
UNDERSHOOT = 0.9926
"""Part of the measured limit that is used after a cut."""
KEEP = 0.67
"""Part of what got through lately that a cut leaves at least: refusals come in clusters."""
AHEAD = 1.15
"""Growth looks so far ahead."""
STEEP, STEEPNESS = 1.5, 2.6
"""Growth where no limit is near is as fast as it may be; it slows down with this power of how likely one is."""
CREEP_PER_S, CREEP_DOUBLES_S = 0.0043, 2.8
"""Growth in a second past what is believed to be the limit, and seconds in which it doubles."""
LEAST_PER_S = 0.01

DOUBTFUL, DIP, DIP_S, DIP_EVERY_S = 0.05, 0.7, 1.0, 8.0
"""A background above the first is tried now and then at a part of the rate: a limit would refuse less there."""

STREAK, STREAK_S, LONG_RETRY_S = 15, 1.0, 2.0
"""So many refusals without a success, for a second or with a long Retry-After, and all calls wait."""
PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
"""Seconds of the first such wait and of the longest: a Retry-After is not always true, and a try costs one call."""
KNOWN = 0.9
"""How likely the mean rate between two such waits is the limit."""

CREDIT_S, TOKEN_CREDIT_S = 0.05, 0.5
"""Unused time that may be caught up with."""
TICK_S = 0.005
"""Nobody is asked to come back sooner: several calls go at a time then."""
FORGET_S = 0.5


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
        """Calls a second that are allowed now."""
        self.tokens_per_s = self._tokens_given
        """Tokens a second that are allowed now; infinite: nothing limits them."""
        self.belief = LimitBelief(self.rate)
        self._record = Record()
        self._gate = Gate()
        self._credit = min(float(FIRST_CALLS), max(1.0, self._given))
        self._token_credit = TOKEN_CREDIT_S * self.tokens_per_s
        self._starting = True
        self._limited = False
        self._exceeded = self._ahead = self._quiet_s = 0.0
        self._at = self._first_at = math.nan
        self._looked_at = self._forgot_at = self._dipped_at = -math.inf

    @property
    def source(self) -> Source:
        """Who says how many calls may go."""
        if self.rate < 0.98 * min(self._given, self._stated):
            return "start" if self._starting else "measured"
        return "headers" if self._stated < self._given else "given"

    def delay_s(self, now: float) -> float:
        """Seconds until the next call may go; 0: at once. Asking means that a call waits."""
        self._advance(now)
        if self._gate.is_shut(now):
            return max(TICK_S, self._gate.opens_at - now)
        if self._gate.probe is not None:
            self._resume(now)
        wait_s = (1 - self._credit - 1e-9) / self.rate
        tokens_wait_s = -self._token_credit / self.tokens_per_s if self.tokens_per_s < math.inf else 0.0
        if wait_s > max(0.0, tokens_wait_s):
            self._limited = True
            self._record.note_limited()
        wait_s = max(wait_s, tokens_wait_s)
        return max(wait_s, TICK_S) if wait_s > 0 else 0.0

    def sent(self, now: float, tokens: float = 0.0) -> Call:
        """A call goes that is expected to take so many tokens."""
        self._advance(now)
        rate = self.rate
        if math.isnan(self._first_at):
            self._first_at = self._gate.opened_at = now
            rate = math.inf  # the first wave goes faster than any rate
        self._credit -= 1
        charged = tokens if self.tokens_per_s < math.inf else None
        self._token_credit -= charged or 0.0
        call = Call(now, self._record.add(now, math.inf if self._gate.tries else rate), charged)
        if self._gate.tries:
            self._gate.admit(call, self._record.settled_s)
        return call

    def unsent(self, call: Call) -> None:
        """The call was not made after all."""
        call.bin.sent -= 1
        self._credit += 1
        self._token_credit += call.tokens or 0.0
        self._gate.forget(call)

    def answered(self, call: Call, now: float, tokens: float | None = None) -> None:
        """An answer came; it took so many tokens, None if that is not known."""
        if tokens is not None and call.tokens is not None:
            self._token_credit += call.tokens - tokens
        self._record.note_answer(call, now)
        if call is self._gate.probe:
            self._resume(now)

    def refused(self, call: Call, now: float, retry_after_s: float | None = None) -> None:
        """The call was answered 429."""
        self._token_credit += call.tokens or 0.0
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
            allowed = min(self._tokens_given, HEADER_SHARE * tokens_per_s)
            if self.tokens_per_s == math.inf:
                self._token_credit = TOKEN_CREDIT_S * allowed
            self.tokens_per_s = allowed
        if requests_per_s is None or HEADER_SHARE * requests_per_s == self._stated:
            return
        self._stated = HEADER_SHARE * requests_per_s
        self.rate = min(self._stated, self._given)
        self._starting = False
        self._believe(now, LimitBelief(self.rate, hazard=STATED))

    def _advance(self, now: float) -> None:
        """Time has passed."""
        passed_s = now - self._at
        if passed_s <= 0:
            return
        self._at = now
        if math.isnan(passed_s):
            return
        if self._limited and not self._gate.tries and now - self._dipped_at > DIP_S:
            self._grow(now, min(passed_s, 0.25))
        most = max(1 + CREDIT_S * self.rate, min(self._credit, FIRST_CALLS))
        self._credit = min(most, self._credit + self.rate * passed_s)
        if self.tokens_per_s < math.inf:
            most = TOKEN_CREDIT_S * self.tokens_per_s
            self._token_credit = min(most, self._token_credit + self.tokens_per_s * passed_s)
        self._limited = False
        if now - self._looked_at >= BIN_S:
            self._look(now)

    def _grow(self, now: float, seconds: float) -> None:
        """Calls wait for the rate: let more of them go, unless nothing was heard yet."""
        if not self._record.has_news and now - self._first_at < SILENCE_S:
            return
        trust = 1 - self._exceeded
        self._quiet_s += seconds * trust
        creep = trust * CREEP_PER_S * 2 ** (self._quiet_s / CREEP_DOUBLES_S)
        free = STEEP * (1 - self._ahead) ** STEEPNESS
        self.rate *= math.exp(seconds * min(FASTEST, max(creep, free)))
        self.rate = min(self.rate, self._given, self._stated)

    def _look(self, now: float) -> None:
        """Learn from what has become of the calls, and draw conclusions."""
        self._looked_at = now
        belief, gate = self.belief, self._gate
        belief.move(self.rate)
        for b, rate in self._record.news(now):
            gate.note(b)
            if rate < math.inf:
                belief.learn(rate, b.sent, b.refused)
        if now - self._forgot_at > FORGET_S:
            belief.forget(min(now - self._forgot_at, 1.0))
            self._forgot_at = now
        flow = self._record.flow(now, self.rate)
        if gate.is_stuck(now - self._record.settled_s):
            gate.shut(now)
            self._starting = False
            return
        self._exceeded = belief.exceeded(self.rate)
        self._ahead = belief.exceeded(AHEAD * self.rate)
        if self._exceeded > self._sure:
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
        return min(SURE, SURE_CLEAN + SURER * self.belief.background)

    def _cut(self, flow: float) -> None:
        """Go back to the limit, where `flow` calls a second got through lately."""
        self._starting = False
        self._quiet_s = 0.0
        limit = max(UNDERSHOOT * self.belief.limit_below(self.rate), KEEP * flow, LEAST_PER_S)
        if limit < self.rate:
            self.rate = limit
            self._credit = min(self._credit, 1.0)

    def _resume(self, now: float) -> None:
        """Calls get through again: at the rate that was possible over all the time since the last pause."""
        mean = self._gate.open(now)
        self.rate = min(max(mean, LEAST_PER_S), self._given, self._stated)
        self._believe(now, LimitBelief(self.rate, known=KNOWN))

    def _believe(self, now: float, belief: LimitBelief) -> None:
        """Start to learn anew."""
        self.belief = belief
        self._record.disregard(now)
        self._credit = min(self._credit, 1.0)


class Gate:
    """Keeps all calls back when none gets through, and then lets one try: the window of a limit is used up."""

    def __init__(self) -> None:
        self.opens_at = -math.inf
        """Seconds until which no call goes."""
        self.opened_at = math.nan
        """Seconds when calls last began to go."""
        self.tries = 0
        """How often it was shut in a row; 0: it is open."""
        self.probe: Call | None = None
        """The one call that tries."""
        self.retry_after_s = 0.0
        """The last Retry-After."""
        self._let_in = 0
        self._refused_in_a_row = 0
        self._refused_since = -math.inf

    def is_shut(self, now: float) -> bool:
        """Whether no call may go, not even one."""
        return now < self.opens_at

    def note(self, b: Bin) -> None:
        """So much became of some calls."""
        self._let_in += b.sent - b.refused
        if b.sent > b.refused:
            self._refused_in_a_row, self._refused_since = 0, b.at
        elif b.rate < math.inf:
            self._refused_in_a_row += b.sent

    def is_stuck(self, settled_at: float) -> bool:
        """Whether no call gets through, for all that is known until `settled_at`."""
        long = self.retry_after_s >= LONG_RETRY_S or settled_at - self._refused_since > STREAK_S
        return not self.tries and self._refused_in_a_row >= STREAK and long

    def shut(self, now: float) -> None:
        """Let no call go for as long as the service asks for, or ever longer."""
        wait_s = max(self.retry_after_s, PAUSE_S * 2**self.tries)
        self.opens_at = max(self.opens_at, now + min(wait_s, LONGEST_PAUSE_S))
        self.tries = min(self.tries + 1, 10)
        self.probe = None
        self._refused_in_a_row = 0

    def admit(self, call: Call, settled_s: float) -> None:
        """One call tries; where nothing is heard of it, it was let in."""
        self.probe = call
        self.opens_at = call.at + 2 * settled_s + 0.5

    def forget(self, call: Call) -> None:
        """The call did not try."""
        if call is self.probe:
            self.probe, self.opens_at = None, -math.inf

    def open(self, now: float) -> float:
        """Calls get through; returns how many did, a second, since the last time."""
        mean = self._let_in / max(now - self.opened_at, 1.0)
        self.tries, self.probe, self.opens_at = 0, None, -math.inf
        self.opened_at, self._let_in = now, 0
        return mean
