"""Advantages are those of the papers, and the diagnosis says which prompts teach anything."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from statistics import fmean, pstdev, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_generation.evaluation.advantages import (
    baselines,
    clipping_of_advantages,
    clipping_of_ratios,
    diagnose,
    diagnose_samples,
    group_advantages,
    reward_variance,
    spread_of,
    value_advantages,
)
from code_generation.evaluation.outcomes import Sample

CLOSE = {"rel": 1e-12, "abs": 1e-12}
reward = st.sampled_from([0.0, 1.0, 0.5, -1.0]) | st.floats(-2, 2)
group = st.lists(reward, min_size=1, max_size=8)
groups_of_rewards = st.lists(group, min_size=1, max_size=6)


@settings(max_examples=40)
@given(group)
def test_group_advantages_are_standard_scores(rewards):
    """(r - mean) / (std + eps), by numpy."""
    found = group_advantages(rewards, eps=1e-6)
    if min(rewards) == max(rewards):
        assert found == [0.0] * len(rewards)
    else:
        scores = (np.array(rewards) - np.mean(rewards)) / (np.std(rewards, ddof=1) + 1e-6)
        assert found == pytest.approx(scores.tolist(), rel=1e-9, abs=1e-9)
        centred = group_advantages(rewards, scale="none")
        assert centred == pytest.approx((np.array(rewards) - np.mean(rewards)).tolist(), **CLOSE)


def test_group_advantages_by_hand():
    """One of four: 1.5, -0.5, -0.5, -0.5."""
    assert group_advantages([1, 0, 0, 0], eps=0) == pytest.approx([1.5, -0.5, -0.5, -0.5], **CLOSE)
    assert group_advantages([1, 0, 0, 0], scale="none") == [0.75, -0.25, -0.25, -0.25]
    assert group_advantages([0.1] * 3) == [0, 0, 0] == group_advantages([0.3] * 3, scale="none")
    assert group_advantages([5.0]) == [0]
    with pytest.raises(ValueError, match="at least one"):
        group_advantages([])


@settings(max_examples=40)
@given(groups_of_rewards)
def test_leaving_one_out_is_the_mean_of_the_others(groups):
    """In fractions; alone, of all others."""
    exact = [[Fraction(r) for r in g] for g in groups]
    every = [r for g in exact for r in g]
    for i, (mine, found) in enumerate(zip(exact, baselines(groups), strict=True)):
        for j, value in enumerate(found):
            others = mine[:j] + mine[j + 1 :] or [r for k, g in enumerate(exact) for r in g if k != i] or every
            assert value == pytest.approx(float(sum(others) / len(others)), rel=1e-9, abs=1e-9)


def test_a_running_baseline_knows_the_past_only():
    """Earlier samples of the problem, else of all, else the reward itself."""
    found = baselines([[1.0, 0.0, 1.0], [0.0, 1.0]], "running")
    assert [v for g in found for v in g] == pytest.approx([1, 1, 0.5, 2 / 3, 0])


@settings(max_examples=40)
@given(groups_of_rewards, st.sampled_from(["leave_one_out", "running"]))
def test_whitened_advantages_have_mean_0_and_spread_1(groups, baseline):
    """Unless all are equal, and then they are 0."""
    raw = [a for g in value_advantages(groups, baseline=baseline, whiten=False) for a in g]
    flat = [a for g in value_advantages(groups, baseline=baseline) for a in g]
    assert fmean(flat) == pytest.approx(0, abs=1e-6)
    if pstdev(raw) > 1e-3:
        assert pstdev(flat) == pytest.approx(1, rel=1e-4)


@settings(max_examples=40)
@given(groups_of_rewards)
def test_variance_is_split_without_a_rest(groups):
    """Between and within make the variance of all rewards."""
    every = [r for g in groups for r in g]
    found = reward_variance(groups)
    assert found.between + found.within == pytest.approx(pstdev(every) ** 2, rel=1e-9, abs=1e-9)
    assert found.total == found.between + found.within and min(found.between, found.within) >= 0


def test_clipping_is_where_ppo_cuts_the_gradient():
    """Only where the objective's minimum is its clipped part."""
    ratios, advantages = [1.5, 1.5, 0.5, 0.5, 1.1, 0.95], [1.0, -1.0, 1.0, -1.0, 2.0, -2.0]
    found = clipping_of_ratios([math.log(r) for r in ratios], advantages)
    for r, a in zip(ratios, advantages, strict=True):
        clipped = min(max(r, 0.8), 1.2) * a
        assert (clipped < r * a) == ((r > 1.2 and a > 0) or (r < 0.8 and a < 0))
    assert (found.share_high, found.share_low, found.share_outside) == (1 / 6, 1 / 6, 4 / 6)
    assert found.approximate_kl == pytest.approx(fmean(r - 1 - math.log(r) for r in ratios), rel=1e-9)
    assert found.basis == "ratios" and found.max_ratio == pytest.approx(1.5)
    with pytest.raises(ValueError, match="got 1 and 2"):
        clipping_of_ratios([0.0], [1.0, 2.0])


def test_extreme_advantages_stand_for_clipping():
    """Where no probabilities are known; it says so."""
    found = clipping_of_advantages([3.0, -2.5, 1.0, 0.0], bound=2.0)
    assert (found.basis, found.share_high, found.share_low, found.share_outside) == ("advantages", 0.25, 0.25, 0.5)
    assert found.mean_ratio is None
    with pytest.raises(ValueError, match="no advantages"):
        clipping_of_advantages([])


def test_a_spread_by_hand():
    """Ranks of 1 to 19 are themselves, by 20."""
    found = spread_of(range(19, 0, -1))
    assert (found.min, found.p5, found.p25, found.median, found.p75, found.p95, found.max) == (1, 1, 5, 10, 15, 19, 19)
    assert (found.n, found.mean) == (19, 10) and found.std == pytest.approx(pstdev(range(1, 20)))
    with pytest.raises(ValueError, match="no values"):
        spread_of([])


def test_a_diagnosis_by_hand():
    """Four prompts: too easy, too hard, and two that teach."""
    groups = [[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 1]]
    found = diagnose(groups)
    assert (found.n_groups, found.n_samples, found.smallest_group, found.largest_group) == (4, 12, 3, 3)
    assert (found.informative.estimate, found.all_best, found.all_worst) == (0.5, 0.25, 0.25)
    assert found.grpo.mean == pytest.approx(0) and found.grpo.max == pytest.approx(2 / 3 / (stdev([1, 0, 0]) + 1e-4))
    assert found.dr_grpo.max == pytest.approx(2 / 3) and found.ppo.std == pytest.approx(1)
    assert found.variance.within == pytest.approx(1 / 9) and found.clipping_grpo.basis == "advantages"
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["baseline"] == "leave_one_out"
    ratios = diagnose(groups, log_ratios=[[0.0] * 3, [0.0] * 3, [1.0, 0.0, 0.0], [0.0] * 3])
    assert ratios.clipping_grpo.share_high == pytest.approx(1 / 12)


def test_all_alike_teaches_nothing():
    """Equal rewards everywhere: advantages of 0, no informative prompt, an upper bound above 0."""
    found = diagnose([[0.5, 0.5], [0.5, 0.5]])
    assert found.informative.estimate == 0 < found.informative.high
    assert found.grpo.max == found.ppo.max == found.ppo.min == 0
    assert diagnose([[1.0]]).n_samples == 1


def test_samples_are_grouped_by_prompt():
    """Boxes that failed are left out and counted; ratios count where every sample has one."""
    row = {"model": "m", "strategy": "s"}
    rows = [
        Sample(problem_id=p, sample_index=i, verdict=v, reward=r, fraction=r, log_ratio=0.1, **row)
        for p, i, v, r in (("a", 1, "pass", 1.0), ("a", 0, "fail", 0.0), ("b", 0, "fail", 0.0), ("b", 1, "infra", None))
    ]
    found = diagnose_samples(rows)
    assert (found.n_groups, found.n_samples, found.left_out, found.largest_group) == (2, 3, 1, 2)
    assert found.clipping_ppo.basis == "ratios" and found.clipping_ppo.mean_ratio == pytest.approx(math.exp(0.1))
    other = Sample(problem_id="a", verdict="pass", reward=1.0, fraction=1.0, **(row | {"strategy": "other"}))
    assert diagnose_samples([*rows, other]).n_groups == 3
    assert diagnose_samples([*rows, other]).clipping_ppo.basis == "advantages"
    with pytest.raises(ValueError, match="none of 1 samples"):
        diagnose_samples(rows[3:])


@pytest.mark.parametrize("groups", [[], [[]], [[1.0], []]])
def test_empty_groups_are_refused(groups):
    """No rewards, no advantages."""
    with pytest.raises(ValueError, match=r"at least one"):
        diagnose(groups)
    with pytest.raises(ValueError, match="shape"):
        diagnose([[1.0, 0.0]], log_ratios=[[0.0]])
