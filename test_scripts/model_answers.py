"""What the loopback model server answers, what it keeps in its prompt cache, and what it has sold."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from test_scripts.wire_formats import Answer, Asked, Tokens, canonical, sign

if TYPE_CHECKING:
    import argparse

FILLER = "Let me go through the statement once more and see what each part of it asks for. "
LOOK_BACK = 20  # pieces before a mark that are compared with what is cached
MANY = 200_000  # entries of a memory, then it starts anew


class Answers:
    """Answers that depend on the problem and the turn alone, and the faults that come in their place."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        lines = Path(options.problems).read_text("utf-8").splitlines() if options.problems else []
        self.problems = [json.loads(line) for line in lines if line.strip()]
        self.known: dict[bytes, dict | None] = {}
        self.cache = PromptCache()
        self.moods = random.Random(options.seed)  # noqa: S311 - latencies, not secrets
        self.number = 0
        self.prepare()

    def prepare(self) -> None:
        """Take the faults from the options."""
        self.random = random.Random(self.options.seed)  # noqa: S311 - faults, not secrets
        self.faults = self.options.fault
        self.odds = [(name, float(odds)) for name, _, odds in (f.partition("=") for f in self.options.random_fault)]

    def problem_of(self, first: str) -> dict | None:
        """The problem whose statement stands in the first user message; of several, the longest."""
        digest = hashlib.blake2b(first.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest not in self.known:
            if len(self.known) > MANY:
                self.known.clear()
            found = [p for p in self.problems if p["problem"].strip() in first]
            self.known[digest] = max(found, key=lambda p: len(p["problem"]), default=None)
        return self.known[digest]

    def text(self, turn: int, problem: dict | None) -> str:
        """The text of an answer: right, or wrong as the mode and the turn want it."""
        options = self.options
        if problem is None:
            return padded(options.text, options.pad)
        metadata = problem.get("metadata", {})
        mode = "wrong" if problem["problem_id"] in options.never else options.mode
        right_at = {"right": 0, "repair": 1, "wrong": None}[mode]
        if options.solve_at_turn is not None and mode != "wrong":
            right_at = options.solve_at_turn
        if metadata.get("answer") == "patch":
            said = metadata["patch"] if right_at == 0 else metadata["patch"].replace("@@ -", "@@ -9")
            return padded(f"This mends it.\n\n<patch>\n{said}</patch>\n", options.pad)
        if right_at is not None and turn >= right_at:
            return padded(f"Here it is.\n\n```python\n{problem['solutions'][0]}\n```\n", options.pad)
        name = metadata.get("func_name")
        stub = f"def {name}(*args, **kwargs):\n    return 'nothing'" if name else "print('nothing')"
        wrong = (metadata.get("incorrect_solutions") or [stub])[0]
        mark = f"# try {turn + 1}\n" if turn else ""
        return padded(f"I think this is it.\n\n```python\n{mark}{wrong}\n```\n", options.pad)

    def reasoning(self, turn: int, problem: dict | None) -> str:
        """The text of the thoughts before an answer."""
        who = problem["problem_id"] if problem else "?"
        start = f"Turn {turn + 1} of {who}: "
        return (start + FILLER * (self.options.reasoning // len(FILLER) + 1))[: max(len(start), self.options.reasoning)]

    def salt(self, turn: int, problem: dict | None) -> str:
        """What is the same for the same problem and turn, and different for others."""
        return sign(problem["problem_id"] if problem else "", turn)

    def answer(self, asked: Asked, problem: dict | None) -> Answer:
        """The whole answer to a request, but for what the prompt cache makes of it."""
        self.number += 1
        reasoning = self.reasoning(asked.turn, problem) if asked.reasons else ""
        answer = Answer(
            text=self.text(asked.turn, problem), reasoning=reasoning, salt=self.salt(asked.turn, problem),
            number=self.number, tokens=Tokens(0, 0, 0, 0, 0),
        )  # fmt: skip
        return counted(answer, asked, self.options)

    def cached(self, answer: Answer, asked: Asked) -> Answer:
        """The answer with what the prompt cache knew of its prompt; from now on it knows all of it."""
        read, written = self.cache.read(asked, self.options.chars_per_token, self.options.min_cache_tokens)
        return changed(answer, tokens=answer.tokens._replace(cached=read, written=written if asked.explicit else 0))

    def next_fault(self, problem: dict | None) -> str | None:
        """The fault for this request; with `--forever` the last one stays."""
        mine = self.options.fault_for
        if mine and (problem or {}).get("problem_id") not in mine:
            return None
        if self.faults:
            return self.faults[0] if self.options.forever and len(self.faults) == 1 else self.faults.pop(0)
        drawn = self.random.random() if self.odds else 1.0
        for name, odds in self.odds:
            if drawn < odds:
                return name
            drawn -= odds
        return None


def padded(text: str, size: int) -> str:
    """Text with words before it, of about so many characters in all."""
    missing = size - len(text)
    return (FILLER * (missing // len(FILLER) + 1))[:missing] + "\n\n" + text if missing > 0 else text


def counted(answer: Answer, asked: Asked, options: argparse.Namespace) -> Answer:
    """The answer with its tokens, cut where the request's limit is reached: reasoning comes first and counts."""
    per = options.chars_per_token
    text, reasoning, finish = answer.text, answer.reasoning, answer.finish
    if asked.max_tokens and (len(text) + len(reasoning)) > asked.max_tokens * per:
        reasoning = reasoning[: asked.max_tokens * per]
        text, finish = text[: asked.max_tokens * per - len(reasoning)], "length"
    said = 0 if finish in {"content_filter", "refusal"} else len(text)
    read, output = sum(piece.size for piece in asked.pieces) // per, (len(reasoning) + said) // per
    fixed = not (asked.explicit or options.auto_cache)  # no cache is played: some numbers, always the same
    tokens = Tokens(
        input=read,
        cached=min(2, read) if fixed else answer.tokens.cached,
        written=answer.tokens.written,
        output=output,
        reasoning=max(len(reasoning) // per, min(1, output) if fixed else 0),
    )
    return changed(answer, text=text, reasoning=reasoning, finish=finish, tokens=tokens)


def changed(answer: Answer, **fields: Any) -> Answer:
    """A copy with other fields."""
    return Answer(**{name: fields.get(name, getattr(answer, name)) for name in Answer.__slots__})


def odd(answer: Answer, fault: str | None, asked: Asked, options: argparse.Namespace) -> Answer:
    """An answer that is one, though not what was hoped for."""
    if fault == "length":
        return changed(
            counted(changed(answer, text=answer.text[: len(answer.text) // 2]), asked, options), finish=fault
        )
    if fault in {"content_filter", "refusal", "window"}:
        return counted(changed(answer, finish=fault), asked, options)
    if fault == "blank":
        return counted(changed(answer, text=""), asked, options)
    if fault in {"parts", "no_usage"}:
        return changed(answer, fault=fault)
    return answer


class PromptCache:
    """Prefixes of prompts that were read before; a prefix can end only where a piece is marked."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    def read(self, asked: Asked, per: int, least: int) -> tuple[int, int]:
        """Tokens found in the cache and tokens added to it; prefixes shorter than `least` don't count."""
        state, size, found, marked = hashlib.blake2b(digest_size=16), 0, 0, 0
        fresh = []
        marks = [n for n, piece in enumerate(asked.pieces) if piece.mark]
        for n, piece in enumerate(asked.pieces):
            state.update(piece.text.encode("utf-8", "surrogatepass"))
            size += piece.size
            digest = state.digest()
            if size // per < least:
                continue
            if digest in self.seen and any(n <= mark <= n + LOOK_BACK for mark in marks):
                found = size
            if piece.mark:
                fresh.append(digest)
                marked = size
        if len(self.seen) > MANY:
            self.seen.clear()
        self.seen.update(fresh)
        return found // per, marked // per - found // per


class Ledger:
    """What was asked and sold, in bounded memory but for 16 bytes a different request."""

    def __init__(self) -> None:
        self.admitted = self.refused = self.abandoned = self.bought = 0
        self.asked_of: Counter[bytes] = Counter()
        self.bought_of: Counter[bytes] = Counter()
        self.tokens: Counter[str] = Counter()
        self.cost = 0.0
        self.seconds: Counter[int] = Counter()
        self.first_at: float | None = None
        self.last_at: float | None = None

    @staticmethod
    def digest(path: str, body: dict[str, Any]) -> bytes:
        """What makes a request the same: everything but how the answer is to be transported."""
        kept = {k: v for k, v in body.items() if k not in {"stream", "stream_options"}}
        return hashlib.blake2b((path + canonical(kept)).encode(), digest_size=16).digest()

    def admit(self, digest: bytes) -> None:
        """An answer is going to be made, whether or not it will arrive."""
        self.admitted += 1
        self.asked_of[digest] += 1

    def sell(self, digest: bytes, tokens: Tokens | None, cost: float) -> None:
        """An answer was handed over whole."""
        self.bought += 1
        self.bought_of[digest] += 1
        now = time.monotonic()
        self.first_at = self.first_at or now
        self.last_at = now
        self.seconds[int(now)] += 1
        self.cost += cost
        if tokens:
            self.tokens.update(tokens._asdict())

    def report(self) -> dict[str, Any]:
        """All of it, for the control page."""
        return {
            "admitted": self.admitted,
            "refused": self.refused,
            "abandoned": self.abandoned,
            "bought": self.bought,
            "bought_twice": self.bought - len(self.bought_of),
            "asked_twice": self.admitted - len(self.asked_of),
            "tokens": {name: self.tokens[name] for name in Tokens._fields},
            "cost": self.cost,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "histogram": [[second, self.seconds[second]] for second in sorted(self.seconds)],
        }
