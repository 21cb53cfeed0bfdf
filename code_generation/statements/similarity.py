r"""Which problem statements are the same, or nearly so.

Statements are compared as words, so that renderings of one problem in several data sets meet: Unicode is brought into
its compatibility form (NFKC), case is folded, punctuation parts words, and what only sets type vanishes (`$ ^ _ { }`,
backquotes, `<sup>`, LaTeX commands, HTML entities), since `$10^5$` here is `105` there. What data sets put around a
statement goes too (`FRAMES`): instructions to the model, starter code, tags and limits, assertions. And a statement
ends where its examples begin, as many renderings leave those out, unless fewer than `FEWEST_WORDS` words stood before.

Two statements are near duplicates where the Jaccard similarity of their shingles, `SHINGLE` words in a row each,
reaches `THRESHOLD`. Both ends are padded, so that every word stands in five shingles, the first and the last too: one
word changed in n words leaves a similarity of (n - 1) / (n + 9). So below 31 words a changed number, "odd" for "even"
or a "not" makes another problem ("find the nth even number"); longer texts with one such change are versions of a
problem (easy and hard, I and II) whose solutions give each other away. Among the 3,300 statements this was chosen on,
strangers stay below 0.7 and renderings of one problem are mostly at 1.

Candidates are found by MinHash and banded hashing (rensa), then confirmed by counting, so that nothing reported hangs
on hashes; a pair at the threshold itself goes unseen with a probability of 5e-6, one at 0.85 with 1e-10.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from code_generation.jsonl import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from code_generation.models import CodeProblem

SHINGLE = 5
"""Words in a row that are compared as one."""
THRESHOLD = 0.75
"""Jaccard similarity from which on two texts are near duplicates."""
FEWEST_WORDS = 25
"""Words before the first example that are enough to tell a problem from others."""
N_HASHES, N_BANDS = 128, 32
"""A pair of similarity s is found with a probability of 1 - (1 - s^4)^32."""
SEED = 1

FRAMES = re.compile(
    r"""
      Solve\ the\ following\ coding\ problem\ using\ the\ programming\ language\ \w+:?
    | The\ input\ will\ be\ (?:given\ via\ )?stdin\ and\ [^\n]{0,80}\ stdout[^\n]*
    | Write\ your\ solution\ by\ modifying\ this\ code:\s*```.*?```
    | Your\ solution\ should\ (?:be\ )?implemented\ in\ the\ function\ [^\n]*
    | Now\ solve\ the\ problem\ (?:and\ return|by\ providing)\ the\ code\.
    | Please\ solve\ the\ programming\ task\ below\ using\ a\ self-contained\ code\ snippet[^\n]*
    | Please\ complete\ the\ following\ python\ code\ precisely:\s*```.*?```
    | ^(?:Tags:[ \t]*\n?\[[^\n]*\]|(?:Time|Memory)\ Limit:[^\n]*)$
    | ^[ \t]*assert\b[^\n]*
    | ^Your\ code\ should\ pass\ these\ tests:$.*
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
"""What stands around a statement: DeepCoder's and PrimeIntellect's instructions, rLLM's for LeetCode, its tags and
limits, MBPP+'s assertions, and what `--show-public-tests` adds."""
EXAMPLES = re.compile(
    r"^[^\w\n]*(?:for )?(?:sample|example)s?(?: (?:test|case|input|output)s?)*[ #]*\d*[^\w\n]*?(?:$|:)",
    re.IGNORECASE | re.MULTILINE,
)
"""A line that opens the examples: `Example 1:`, `## Examples`, `Sample Input 1`, `-----Example-----`."""
_SIGN = re.compile(r"\\[a-z]+|&(?:[a-z]{2,8}|#\d{1,6});")
_TYPESETTING = re.compile(r"[$^_{}\\`]|</?su[bp]>")
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    r"""The words of a statement, without the frame around it.

    `"Sort $a_1$, \ldots, a_n."` -> ["sort", "a1", "an"]
    """
    return _words(FRAMES.sub(" ", text))


def telling_words(text: str) -> list[str]:
    """The words of a statement up to its examples; all of them where fewer than `FEWEST_WORDS` stand before."""
    text = FRAMES.sub(" ", text)
    for heading in EXAMPLES.finditer(text):
        before = _words(text[: heading.start()])
        if len(before) >= FEWEST_WORDS:
            return before
    return _words(text)


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(_TYPESETTING.sub("", _SIGN.sub(" ", plain)))


def statement_key(text: str) -> str:
    """A hash that renderings of one statement share, hexadecimal; of the text as it is where that holds no word."""
    return _hash(" ".join(telling_words(text)) or text)


class Fingerprint(NamedTuple):
    """Two problems are duplicates where both parts are equal; with the same statement alone they deserve a look."""

    statement: str
    """Hash of all words of the statement, examples included."""
    tests: str
    """Hash of the tests, in any order, public or not; of the id where there are none."""


def fingerprint(problem: CodeProblem) -> Fingerprint:
    """What makes a problem the same as another, whatever their ids."""
    tests = sorted(_hash(encode([t.type, t.input, t.output])) for t in problem.test_cases)
    return Fingerprint(
        statement=_hash(" ".join(words_of(problem.problem)) or problem.problem),
        tests=_hash(encode(tests or problem.problem_id)),
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Pair(NamedTuple):
    """Two texts that are near duplicates."""

    first: str
    """The key that comes first in the alphabet."""
    second: str
    similarity: float
    """0 to 1; 1.0: the same words."""


class SimilarityIndex:
    """Finds near duplicates among texts that are added one by one; holds hashes, 8 bytes a word, and no text.

    The answer does not depend on the order in which texts are added. A text without words is like no other.

        index = SimilarityIndex()
        index.add("a", "...")
        index.pairs() -> [Pair("a", "c", 0.93)]
    """

    def __init__(self, words: Callable[[str], list[str]] = telling_words) -> None:
        """Compare statements, or other texts by words of their own."""
        self._words = words
        self._keys: dict[bytes, list[str]] = {}
        self._shingles: dict[bytes, array[int]] = {}

    def add(self, key: str, text: str) -> None:
        """Add a text under a key of its own."""
        words = self._words(text)
        if not words:
            return
        content = hashlib.sha256(" ".join(words).encode("utf-8", "surrogatepass")).digest()
        if content not in self._keys:
            self._keys[content] = []
            self._shingles[content] = _shingles(words)
        self._keys[content].append(key)

    def pairs(self) -> list[Pair]:
        """Near duplicates, sorted: as many pairs as it takes to link all texts that are alike, directly or through
        others; n texts that are alike make n - 1 pairs.
        """
        found = []
        for keys in self._keys.values():
            first, *others = sorted(keys)
            found += [Pair(first, other, 1.0) for other in others]
        return sorted(found + self._near())

    def _near(self) -> list[Pair]:
        """Pairs of texts with different shingles, by the smallest key of each; worked off in the order of content."""
        from rensa import RMinHash, RMinHashLSH  # noqa: PLC0415 - only who compares needs it

        contents = sorted(self._keys)
        names = [min(self._keys[c]) for c in contents]
        lsh = RMinHashLSH(threshold=THRESHOLD, num_perm=N_HASHES, num_bands=N_BANDS)
        groups = {number: [number] for number in range(len(contents))}
        found = []
        for number, content in enumerate(contents):
            mine = self._shingles[content]
            sketch = RMinHash(num_perm=N_HASHES, seed=SEED)
            sketch.update([h.to_bytes(8, "big") for h in mine])
            for other in sorted(lsh.query(sketch)):
                if groups[other] is groups[number]:
                    continue
                similarity = jaccard(mine, self._shingles[contents[other]])
                if similarity >= THRESHOLD:
                    _join(groups, other, number)
                    first, second = sorted((names[other], names[number]))
                    found.append(Pair(first, second, similarity))
            lsh.insert(number, sketch)
        return found


def clusters_of(pairs: Iterable[Pair]) -> list[list[str]]:
    """Texts that are linked by pairs, directly or through others: sorted lists of two keys or more, sorted."""
    pairs = list(pairs)
    groups = {key: [key] for pair in pairs for key in pair[:2]}
    for pair in pairs:
        _join(groups, pair.first, pair.second)
    return sorted(sorted(g) for g in {id(g): g for g in groups.values()}.values())


Item = TypeVar("Item")


def _join(groups: dict[Item, list[Item]], one: Item, other: Item) -> None:
    """Make the groups of two things one; things of a group share one list."""
    small, large = sorted((groups[one], groups[other]), key=len)
    if small is not large:
        large += small
        groups.update(dict.fromkeys(small, large))


def _shingles(words: list[str]) -> array[int]:
    """Hashes of `SHINGLE` words in a row each, every one once."""
    padding = [""] * (SHINGLE - 1)
    padded = [*padding, *words, *padding]
    texts = {" ".join(padded[i : i + SHINGLE]) for i in range(len(words) + SHINGLE - 1)}
    hashes = (hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=8).digest() for t in texts)
    return array("Q", (int.from_bytes(h, "big") for h in hashes))


def jaccard(one: array[int], other: array[int]) -> float:
    """Jaccard similarity of two sets of hashes that are not both empty: 0 to 1."""
    shared = len(set(one).intersection(other))
    return shared / (len(one) + len(other) - shared)
