"""What trainers would make of the rewards: advantages, which prompts teach something, where clipping would bite.

A group is the samples of one prompt. All functions are pure; rewards are plain numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from code_generation.evaluation.distributions import quantile
from code_generation.evaluation.intervals import LEVEL, Interval, wilson
from code_generation.evaluation.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from code_generation.evaluation.outcomes import Sample, What

EPS = 1e-4
"""Added to a standard deviation before it divides, as TRL does."""
CLIP = 0.2
"""Of the ratio of probabilities, PPO's."""
BOUND = 2.0
"""An advantage beyond it counts as extreme, where no ratios are known."""
Scale = Literal["std", "none"]
Baseline = Literal["leave_one_out", "running"]


def group_advantages(rewards: Sequence[float], *, scale: Scale = "std", eps: float = EPS) -> list[float]:
    """Group-relative advantages: `group_advantages([1, 0, 0, 0])` -> about [1.5, -0.5, -0.5, -0.5].

    (r - mean) / (s + eps), s by n - 1 as trainers have it: Z. Shao et al. (2024), DeepSeekMath, arXiv 2402.03300,
    section 4.1.2 (GRPO). Scale `none` leaves out the division, which favours prompts that are nearly always or never
    solved: Z. Liu et al. (2025), Understanding R1-Zero-like training, arXiv 2503.20783 (Dr. GRPO). A group of one, or
    of equal rewards, has advantages of 0.

    Raises:
        ValueError: no rewards.
    """
    if not rewards:
        msg = "a group needs at least one reward"
        raise ValueError(msg)
    if min(rewards) == max(rewards):
        return [0.0] * len(rewards)
    mean = fmean(rewards)
    divisor = 1.0 if scale == "none" else _spread(rewards, 1) + eps
    return [(r - mean) / divisor for r in rewards]


def _spread(values: Sequence[float], less: int) -> float:
    mean = fmean(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - less))


def baselines(groups: Sequence[Sequence[float]], baseline: Baseline = "leave_one_out") -> list[list[float]]:
    """What each sample was expected to bring, by group.

    `leave_one_out`: the mean of the other samples of its prompt (W. Kool et al., 2019, Buy 4 REINFORCE samples, get a
    baseline for free), of all other samples where it is alone. `running`: the mean of the earlier samples of its
    prompt, else of all earlier samples, else its own reward: what a value function could have learnt by then.

    Raises:
        ValueError: no samples, or an empty group.
    """
    if not groups or not all(groups):
        msg = "value baselines need groups with at least one reward each"
        raise ValueError(msg)
    total, count = math.fsum(r for g in groups for r in g), sum(map(len, groups))
    found, before, seen = [], 0.0, 0
    for group in groups:
        own, values = math.fsum(group), []
        for i, reward in enumerate(group):
            if baseline == "running":
                earlier = group[:i]
                values.append(fmean(earlier) if earlier else before / seen if seen else reward)
            elif len(group) > 1:
                values.append((own - reward) / (len(group) - 1))
            else:
                values.append((total - reward) / (count - 1) if count > 1 else reward)
        found.append(values)
        before, seen = before + own, seen + len(group)
    return found


def value_advantages(
    groups: Sequence[Sequence[float]], *, baseline: Baseline = "leave_one_out", whiten: bool = True, eps: float = 1e-8
) -> list[list[float]]:
    """Advantages over a value baseline, by group; whitened: mean 0 and standard deviation 1 over all of them.

    One reward at the end of an answer makes the advantage of every token r - V(prompt), whatever the discount of GAE is
    for lambda = gamma = 1: J. Schulman et al. (2017), Proximal policy optimization algorithms, arXiv 1707.06347.

    Raises:
        ValueError: see `baselines`.
    """
    expected = baselines(groups, baseline)
    raw = [[r - v for r, v in zip(g, e, strict=True)] for g, e in zip(groups, expected, strict=True)]
    flat = [a for g in raw for a in g]
    if not whiten:
        return raw
    mean, spread = fmean(flat), _spread(flat, 0)
    return [[(a - mean) / (spread + eps) for a in g] for g in raw]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread(Plain):
    """What some numbers are like."""

    n: int
    mean: float
    std: float
    """By n."""
    min: float
    p5: float
    p25: float
    median: float
    p75: float
    p95: float
    max: float


def spread_of(values: Sequence[float]) -> Spread:
    """Mean, standard deviation and percentiles.

    Raises:
        ValueError: no values.
    """
    ordered = sorted(map(float, values))
    p5, p25, median, p75, p95 = (quantile(ordered, p) for p in (0.05, 0.25, 0.5, 0.75, 0.95))
    return Spread(
        n=len(ordered), mean=fmean(ordered), std=_spread(ordered, 0), min=ordered[0], max=ordered[-1],
        p5=p5, p25=p25, median=median, p75=p75, p95=p95,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipping(Plain):
    """Where a trainer would clip."""

    basis: str
    """`ratios`: of new to old probabilities, with PPO's rule. `advantages`: no ratios are known; how many advantages
    lie beyond a bound stands for it."""
    n: int
    bound: float
    """Of the ratio around 1, or of an advantage around 0."""
    share_high: float
    """Ratios above 1 + bound whose advantage is positive, or advantages above the bound: the gradient is cut off."""
    share_low: float
    """Ratios below 1 - bound whose advantage is negative, or advantages below minus the bound."""
    share_outside: float
    """Ratios beyond either end, whatever the advantage is; the sum of both shares for advantages."""
    mean_ratio: float | None
    max_ratio: float | None
    approximate_kl: float | None
    """Mean of r - 1 - log r, of the old policy from the new one, nats a sample: J. Schulman (2020), Approximating KL
    divergence (k3)."""


def clipping_of_ratios(log_ratios: Sequence[float], advantages: Sequence[float], clip: float = CLIP) -> Clipping:
    """Which samples PPO's objective, min(r A, clip(r, 1 - c, 1 + c) A), would leave without a gradient.

    J. Schulman et al. (2017), arXiv 1707.06347, equation 7.

    Raises:
        ValueError: no samples, or not as many of both.
    """
    n = len(log_ratios)
    if not n or n != len(advantages):
        msg = f"clipping needs a log ratio and an advantage of each sample, got {n} and {len(advantages)}"
        raise ValueError(msg)
    ratios = [math.exp(min(x, 700.0)) for x in log_ratios]
    pairs = list(zip(ratios, advantages, strict=True))
    return Clipping(
        basis="ratios",
        n=n,
        bound=clip,
        share_high=sum(r > 1 + clip and a > 0 for r, a in pairs) / n,
        share_low=sum(r < 1 - clip and a < 0 for r, a in pairs) / n,
        share_outside=sum(not 1 - clip <= r <= 1 + clip for r in ratios) / n,
        mean_ratio=fmean(ratios),
        max_ratio=max(ratios),
        approximate_kl=fmean(math.expm1(min(x, 700.0)) - x for x in log_ratios),
    )


def clipping_of_advantages(advantages: Sequence[float], bound: float = BOUND) -> Clipping:
    """How many advantages are extreme; what stands for clipping where rows carry no probabilities.

    Raises:
        ValueError: no advantages.
    """
    n = len(advantages)
    if not n:
        msg = "clipping of no advantages"
        raise ValueError(msg)
    high, low = sum(a > bound for a in advantages) / n, sum(a < -bound for a in advantages) / n
    return Clipping(
        basis="advantages", n=n, bound=bound, share_high=high, share_low=low, share_outside=high + low,
        mean_ratio=None, max_ratio=None, approximate_kl=None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardVariance(Plain):
    """Of all rewards, by n; total = between + within."""

    total: float
    between: float
    """Of the prompts' means, each with the weight of its samples: what prompts differ by."""
    within: float
    """Around the prompts' means: all that group-relative advantages can learn from."""


def reward_variance(groups: Sequence[Sequence[float]]) -> RewardVariance:
    """Split the variance of the rewards (law of total variance).

    Raises:
        ValueError: no rewards.
    """
    every = [r for g in groups for r in g]
    if not every:
        msg = "the variance of no rewards"
        raise ValueError(msg)
    mean, means = fmean(every), [fmean(g) if g else 0.0 for g in groups]
    between = math.fsum(len(g) * (m - mean) ** 2 for g, m in zip(groups, means, strict=True)) / len(every)
    within = math.fsum((r - m) ** 2 for g, m in zip(groups, means, strict=True) for r in g) / len(every)
    return RewardVariance(total=between + within, between=between, within=within)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(Plain):
    """What a trainer would make of some groups."""

    n_groups: int
    n_samples: int
    left_out: int
    """Samples without a reward: a box failed, or there are no tests."""
    smallest_group: int
    largest_group: int
    informative: Interval
    """Share of the groups whose rewards differ: only those have a gradient under GRPO."""
    all_best: float
    """Share of the groups whose rewards are all the largest there is: too easy."""
    all_worst: float
    """Share of the groups whose rewards are all the smallest there is: too hard; 0 where all rewards are equal."""
    rewards: Spread
    variance: RewardVariance
    grpo: Spread
    """Advantages divided by the standard deviation."""
    dr_grpo: Spread
    """Advantages not divided."""
    ppo: Spread
    """Advantages over a value baseline, whitened."""
    baseline: Baseline
    clipping_grpo: Clipping
    clipping_ppo: Clipping


def diagnose(
    groups: Sequence[Sequence[float]],
    *,
    baseline: Baseline = "leave_one_out",
    eps: float = EPS,
    clip: float = CLIP,
    bound: float = BOUND,
    log_ratios: Sequence[Sequence[float]] | None = None,
    best: float = 1.0,
    worst: float = 0.0,
    left_out: int = 0,
    level: float = LEVEL,
) -> Diagnosis:
    """All figures of this module over the rewards of some groups; `log_ratios` in the same shape, where known.

    Raises:
        ValueError: no groups, an empty group, or log ratios of another shape.
    """
    grpo = [group_advantages(g, eps=eps) for g in groups]
    ppo = [a for g in value_advantages(groups, baseline=baseline) for a in g]
    dr_grpo = [a for g in groups for a in group_advantages(g, scale="none")]
    flat = [a for g in grpo for a in g]
    if log_ratios is None:
        clips = [clipping_of_advantages(side, bound) for side in (flat, ppo)]
    else:
        if [len(g) for g in log_ratios] != [len(g) for g in groups]:
            msg = "log ratios need the shape of the rewards: one for each sample of each group"
            raise ValueError(msg)
        ratios = [x for g in log_ratios for x in g]
        clips = [clipping_of_ratios(ratios, side, clip) for side in (flat, ppo)]
    differing = sum(min(g) != max(g) for g in groups)
    return Diagnosis(
        n_groups=len(groups),
        n_samples=len(flat),
        left_out=left_out,
        smallest_group=min(map(len, groups)),
        largest_group=max(map(len, groups)),
        informative=wilson(differing, len(groups), level),
        all_best=sum(min(g) >= best for g in groups) / len(groups),
        all_worst=sum(max(g) <= worst for g in groups) / len(groups),
        rewards=spread_of([r for g in groups for r in g]),
        variance=reward_variance(groups),
        grpo=spread_of(flat),
        dr_grpo=spread_of(dr_grpo),
        ppo=spread_of(ppo),
        baseline=baseline,
        clipping_grpo=clips[0],
        clipping_ppo=clips[1],
    )


def diagnose_samples(
    samples: Iterable[Sample],
    *,
    what: What = "reward",
    baseline: Baseline = "leave_one_out",
    eps: float = EPS,
    clip: float = CLIP,
    bound: float = BOUND,
    level: float = LEVEL,
) -> Diagnosis:
    """`diagnose` of samples grouped by problem, in the order of problem ids and sample indices.

    Ratios are used where every sample carries one.

    Raises:
        ValueError: no sample has a reward.
    """
    rows = sorted(samples, key=lambda s: (s.model, s.strategy, s.dataset, s.problem_id, s.sample_index))
    groups: dict[tuple[str, str, str, str], list[tuple[float, float | None]]] = {}
    for s in rows:
        value = {"pass": float(s.verdict == "pass"), "reward": s.reward, "fraction": s.fraction}[what]
        if s.counts and value is not None:
            key = (s.model, s.strategy, s.dataset, s.problem_id)
            groups.setdefault(key, []).append((value, s.log_ratio))
    if not groups:
        msg = f"none of {len(rows)} samples has a reward"
        raise ValueError(msg)
    rewards = [[v for v, _ in g] for g in groups.values()]
    ratios = [[x for _, x in g if x is not None] for g in groups.values()]
    whole = [len(g) for g in ratios] == [len(g) for g in rewards]
    return diagnose(
        rewards,
        baseline=baseline,
        eps=eps,
        clip=clip,
        bound=bound,
        log_ratios=ratios if whole else None,
        left_out=len(rows) - sum(map(len, rewards)),
        level=level,
    )
