"""Two systems over the same problems: the difference, its interval, whether it is more than chance, in plain words."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from code_generation.evaluation.corrections import benjamini_hochberg, holm
from code_generation.evaluation.distributions import normal_quantile, two_sided
from code_generation.evaluation.intervals import (
    LEVEL,
    RESAMPLES,
    UNIT,
    Interval,
    bootstrap_interval,
    mean_interval,
    variance,
)
from code_generation.evaluation.outcomes import check_unique, values_by_problem
from code_generation.evaluation.paired import McNemar, SignFlip, cohens_h, mcnemar, odds_ratio, sign_flip
from code_generation.evaluation.plain import Plain
from code_generation.evaluation.power import ALPHA, POWER, Components, minimum_difference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from code_generation.evaluation.outcomes import Sample, What

    Values = Mapping[str, Sequence[float]]

Correction = Literal["holm", "benjamini-hochberg"]
CORRECTIONS = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}
MCNEMAR, SIGN_FLIP = "McNemar", "sign-flip permutation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Plain):
    """A minus B."""

    name_a: str
    name_b: str
    what: What
    n_problems: int
    """That both have values of."""
    n_samples_a: int
    n_samples_b: int
    only_in_a: tuple[str, ...]
    """Problems that B has no value of: left out."""
    only_in_b: tuple[str, ...]
    infra_a: int
    """Samples without a verdict because a box failed: left out."""
    infra_b: int
    mean_a: float
    """Over the problems of both, each problem counting once."""
    mean_b: float
    difference: Interval
    """Student's, over the differences within problems."""
    difference_bootstrap: Interval
    """The same by a bootstrap over problems."""
    mcnemar: McNemar | None
    """Over the first sample of each problem; None: values are not 0 and 1."""
    sign_flip: SignFlip
    test: str
    """Which test `p` is of: McNemar's with one sample a problem, else the permutation of signs."""
    p: float
    p_adjusted: float | None
    """For the number of comparisons made; None: it is the only one."""
    odds_ratio: float | None
    """Of the pairs in `mcnemar`, see `paired.odds_ratio`."""
    cohens_h: float | None
    """None: means beyond 0 and 1."""
    detectable: float | None
    """A difference that so many problems, differing as these do, would show with a power of 0.8; None: one problem."""


def compare(
    a: Values,
    b: Values,
    *,
    names: tuple[str, str] = ("A", "B"),
    what: What = "pass",
    level: float = LEVEL,
    bounds: tuple[float, float] = UNIT,
    resamples: int = RESAMPLES,
    seed: int = 0,
    infra: tuple[int, int] = (0, 0),
) -> Comparison:
    """Compare the values of two systems, by problem id: `compare({"p1": [1, 0]}, {"p1": [0, 0]})`.

    Raises:
        ValueError: no problem has values of both, or a value lies beyond the bounds.
    """
    common = sorted(p for p in a.keys() & b.keys() if a[p] and b[p])
    if not common:
        msg = f"{names[0]} and {names[1]} have no problem in common, so there is nothing to compare"
        raise ValueError(msg)
    every = [v for p in common for side in (a, b) for v in side[p]]
    if min(every) < bounds[0] or max(every) > bounds[1]:
        msg = f"values lie between {bounds[0]:g} and {bounds[1]:g}, got {min(every):g} to {max(every):g}"
        raise ValueError(msg)
    means_a, means_b = ([fmean(side[p]) for p in common] for side in (a, b))
    differences = [x - y for x, y in zip(means_a, means_b, strict=True)]
    widest = (bounds[0] - bounds[1], bounds[1] - bounds[0])
    binary = all(v in {0, 1} for v in every)
    firsts = mcnemar_of([(a[p][0], b[p][0]) for p in common]) if binary else None
    flipped = (
        sign_flip(*([Fraction(int(sum(side[p])), len(side[p])) for p in common] for side in (a, b)))
        if binary
        else sign_flip(means_a, means_b, seed=seed)
    )
    single = firsts is not None and len(every) == 2 * len(common)
    rates = 0 <= fmean(means_a) <= 1 and 0 <= fmean(means_b) <= 1
    return Comparison(
        name_a=names[0],
        name_b=names[1],
        what=what,
        n_problems=len(common),
        n_samples_a=sum(len(a[p]) for p in common),
        n_samples_b=sum(len(b[p]) for p in common),
        only_in_a=tuple(sorted(p for p in a if a[p] and not b.get(p))),
        only_in_b=tuple(sorted(p for p in b if b[p] and not a.get(p))),
        infra_a=infra[0],
        infra_b=infra[1],
        mean_a=fmean(means_a),
        mean_b=fmean(means_b),
        difference=mean_interval(differences, level, widest),
        difference_bootstrap=bootstrap_interval(differences, level, widest, resamples=resamples, seed=seed),
        mcnemar=firsts,
        sign_flip=flipped,
        test=MCNEMAR if single else SIGN_FLIP,
        p=firsts.p if firsts is not None and single else flipped.p,
        p_adjusted=None,
        odds_ratio=None if firsts is None else odds_ratio(firsts.only_a, firsts.only_b),
        cohens_h=cohens_h(fmean(means_a), fmean(means_b)) if rates else None,
        detectable=_detectable(differences, level, widest),
    )


def mcnemar_of(pairs: Sequence[tuple[float, float]]) -> McNemar:
    """McNemar's test of (A passed, B passed) a problem."""
    table = [sum((bool(x), bool(y)) == kind for x, y in pairs) for kind in _KINDS]
    return mcnemar(*table)


_KINDS = ((True, True), (True, False), (False, True), (False, False))


def _detectable(differences: Sequence[float], level: float, widest: tuple[float, float]) -> float | None:
    """By the spread of the differences; where there is none, by the largest that n alike problems leave possible."""
    n = len(differences)
    if n == 1:
        return None
    spread = variance(differences)
    if min(differences) == max(differences):
        z = normal_quantile(two_sided(level))
        spread = z * z / (n + z * z) * max(abs(end - differences[0]) for end in widest) ** 2
    seen = Components(design="paired", n_problems=n, mean=fmean(differences), between=spread, within=None)
    found = minimum_difference(n, seen, alpha=1 - level)
    return None if found is None or found > widest[1] else found


def compare_samples(
    a: Sequence[Sample],
    b: Sequence[Sample],
    *,
    names: tuple[str, str] = ("A", "B"),
    what: What = "pass",
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare the samples of two systems; those without a verdict are left out and counted.

    Raises:
        ValueError: see `compare`. DataError: a sample stands twice.
    """
    check_unique(a)
    check_unique(b)
    infra = (sum(s.verdict == "infra" for s in a), sum(s.verdict == "infra" for s in b))
    sides = (values_by_problem(a, what), values_by_problem(b, what))
    return compare(*sides, names=names, what=what, level=level, resamples=resamples, seed=seed, infra=infra)


def compare_all(
    systems: Mapping[str, Sequence[Sample]],
    *,
    what: What = "pass",
    correction: Correction = "holm",
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Comparison]:
    """Every pair of some systems, p-values adjusted for their number.

    Raises:
        ValueError: fewer than two systems; see `compare`. DataError: a sample stands twice.
    """
    if len(systems) < 2:  # noqa: PLR2004
        msg = f"a comparison needs two systems, got {len(systems)}"
        raise ValueError(msg)
    found = [
        compare_samples(systems[x], systems[y], names=(x, y), what=what, level=level, resamples=resamples, seed=seed)
        for x, y in combinations(systems, 2)
    ]
    if len(found) == 1:
        return found
    adjusted = CORRECTIONS[correction]([c.p for c in found])
    return [replace(c, p_adjusted=p) for c, p in zip(found, adjusted, strict=True)]


def conclude(comparison: Comparison, alpha: float = ALPHA) -> str:
    """What it comes to, in plain words.

    "A passes more than B: +4.2 points (95 % interval +1.1 to +7.3), McNemar p = 0.003, 500 problems"
    "no difference shown: A minus B +1.0 points (95 % interval -2.1 to +4.1), McNemar p = 0.6, 500 problems; with 500
    problems a difference of 4.4 points would be seen with 80 % power"
    """
    c = comparison
    p = c.p if c.p_adjusted is None else c.p_adjusted
    found = p < alpha
    turned = found and c.difference.estimate < 0
    interval, low, high = "no interval", c.difference.low, c.difference.high
    if low is not None and high is not None:
        low, high = (-high, -low) if turned else (low, high)
        interval = f"{100 * c.difference.level:g} % interval {_said(low, c.what)} to {_said(high, c.what)}"
    size = _said(abs(c.difference.estimate) if turned else c.difference.estimate, c.what)
    adjusted = "" if c.p_adjusted is None else " after correction for several comparisons"
    facts = (
        f"{size}{' points' if c.what == 'pass' else ''} ({interval}), {c.test} {_said_p(p)}{adjusted}, {_problems(c)}"
    )
    if not found:
        return f"no difference shown: {c.name_a} minus {c.name_b} {facts}; {_seen(c)}{_left_out(c)}"
    better, other = (c.name_b, c.name_a) if turned else (c.name_a, c.name_b)
    text = f"{better} {_MORE[c.what]} than {other}: {facts}"
    if low is not None and high is not None and low <= 0 <= high:
        text += "; the interval reaches 0, so the evidence is weak"
    return text + _left_out(c)


_MORE = {"pass": "passes more", "reward": "has more reward", "fraction": "passes more tests"}


def _problems(c: Comparison) -> str:
    return f"{c.n_problems} problem{'' if c.n_problems == 1 else 's'}"


def _seen(c: Comparison) -> str:
    problems = f"with {_problems(c)}"
    if c.detectable is None:
        return f"{problems} hardly any difference could be seen"
    size = _said(c.detectable, c.what).lstrip("+") + (" points" if c.what == "pass" else "")
    return f"{problems} a difference of {size} would be seen with {100 * POWER:g} % power"


def _left_out(c: Comparison) -> str:
    parts = []
    if alone := len(c.only_in_a) + len(c.only_in_b):
        stands = "problem that one side lacks is" if alone == 1 else "problems that one side lacks are"
        parts.append(f"{alone} {stands} left out")
    if infra := c.infra_a + c.infra_b:
        parts.append(f"{infra} sample{'' if infra == 1 else 's'} with a failed box left out")
    return f" ({'; '.join(parts)})" if parts else ""


def _said(value: float, what: What) -> str:
    """Points of a hundred for rates."""
    digits = f"{100 * value:+.1f}" if what == "pass" else f"{value:+.3f}"
    return digits.replace("-0.0", "+0.0") if math.isclose(float(digits), 0) else digits


def _said_p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"  # noqa: PLR2004
