"""`codegen compare`: which samples are whose, every pair compared, what it comes to; and planning from a pilot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from code_generation.errors import ConfigError, DataError
from code_generation.evaluation.comparison import MCNEMAR, Comparison, compare_all, conclude
from code_generation.evaluation.outcomes import values_by_problem
from code_generation.evaluation.power import Components, Plan, against_another, cluster, components, paired_components
from code_generation.evaluation.power import plan as plan_of
from code_generation.measuring.outputs import check_json
from code_generation.measuring.reading import gather, grouped, name_of
from code_generation.measuring.tables import named, table
from code_generation.reports.formatting import NONE, plural
from code_generation.reports.plain_text import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from code_generation.evaluation.intervals import Interval
    from code_generation.evaluation.outcomes import Sample, What
    from code_generation.measuring.options import CompareOptions, PlanOptions, RowOptions
    from code_generation.models import JsonValue

VERSION = 1
OVER_FIRSTS = (
    "McNemar's test and the odds ratio are over the first sample of each problem; the permutation of signs is over all "
    "samples and decides."
)
PILOTS = 2
"""At most."""


def check_output(output: Path, *, plan: bool) -> None:
    """Find out before any work whether the JSON file can be written.

    Raises:
        ConfigError: it can't, or holds something else.
    """
    check_json(output, "plan" if plan else "comparison", {"plan" if plan else "comparison"})


def compare_files(paths: Sequence[Path], rows: RowOptions, options: CompareOptions) -> tuple[str, JsonValue]:
    """Every pair of systems: what is said, and all figures as JSON.

    Raises:
        ConfigError: there is one system only, or a file holds several. DataError: nothing to compare.
    """
    systems, notes = systems_of(paths, rows, options)
    systems = told_apart(systems)
    try:
        found = compare_all(
            systems,
            what=options.what,
            correction=options.correction,
            level=options.level,
            resamples=options.resamples,
            seed=options.seed,
        )
    except ValueError as e:
        raise DataError(str(e)) from None
    alpha = round(1 - options.level, 12)
    conclusions = [conclude(c, alpha) for c in found]
    data = {
        "comparison": VERSION,
        "by": options.by,
        "what": options.what,
        "correction": options.correction if len(found) > 1 else None,
        "level": options.level,
        "resamples": options.resamples,
        "seed": options.seed,
        "notes": notes,
        "systems": {name: len(mine) for name, mine in systems.items()},
        "comparisons": [c.to_json() | {"conclusion": text} for c, text in zip(found, conclusions, strict=True)],
    }
    parts = [render_comparisons(found), *conclusions, *(f"- {escaped(n)}" for n in notes)]
    return "\n\n".join(parts), data


def systems_of(
    paths: Sequence[Path], rows: RowOptions, options: CompareOptions
) -> tuple[dict[str, list[Sample]], list[str]]:
    """Samples by the system that they are of, with notes.

    Raises:
        ConfigError: there is one system only, or something holds several.
    """
    if options.by != "file":
        found = gather(paths, rows)
        systems = grouped(found.samples, lambda s: str(getattr(s, options.by)))
        other = "strategy" if options.by == "model" else "model"
        for name, mine in systems.items():
            _check_one(mine, f"{options.by} {name!r}", other)
        if len(systems) < 2:  # noqa: PLR2004
            msg = f"there is one {options.by} only, {', '.join(systems)}; a comparison needs two"
            raise ConfigError(msg)
        return systems, found.notes
    if len(paths) < 2:  # noqa: PLR2004
        msg = "a comparison needs two files, or --by model or --by strategy over one"
        raise ConfigError(msg)
    systems, notes = {}, []
    names = _names(paths)
    for name, path in zip(names, paths, strict=True):
        found = gather([path], rows)
        for attribute in ("model", "strategy"):
            _check_one(found.samples, str(path), attribute)
        systems[name] = found.samples
        notes += found.notes
    return systems, notes


def told_apart(systems: dict[str, list[Sample]]) -> dict[str, list[Sample]]:
    """With ids that hold the data set's name where a system has problems of several: ids may come again there."""
    if all(len({s.dataset for s in mine}) < 2 for mine in systems.values()):  # noqa: PLR2004
        return systems
    return {
        name: [replace(s, problem_id=f"{s.dataset}: {s.problem_id}") for s in mine] for name, mine in systems.items()
    }


def _names(paths: Sequence[Path]) -> list[str]:
    """Of files, as short as tells them apart.

    Raises:
        ConfigError: one is given twice.
    """
    if len({p.resolve() for p in paths}) < len(paths):
        msg = "a file is given twice; it does not differ from itself"
        raise ConfigError(msg)
    for names in ([name_of(p) for p in paths], [f"{p.parent.name}/{name_of(p)}" for p in paths]):
        if len(set(names)) == len(names):
            return names
    return [str(p) for p in paths]


def _check_one(samples: Sequence[Sample], what: str, attribute: str) -> None:
    values = sorted({str(getattr(s, attribute)) for s in samples})
    if len(values) > 1:
        by = "--by model" if attribute == "model" else "--by strategy"
        several = f"{attribute[:-1]}ies" if attribute.endswith("y") else f"{attribute}s"
        msg = f"{what} holds several {several} ({', '.join(values[:5])}); compare those with {by}, or one at a time"
        raise ConfigError(msg)


def render_comparisons(found: Sequence[Comparison]) -> str:
    """A row a pair: both figures, difference with both intervals, tests, effect sizes."""
    several = found[0].p_adjusted is not None
    header = [
        "A", "B", "Problems", "A", "B", "A minus B", "Student's interval", "Bootstrap interval", "Only A, only B",
        "McNemar p", "Permutation p", *(["p, corrected"] if several else []), "Odds ratio", "Cohen's h",
    ]  # fmt: skip
    rows = []
    for c in found:
        m = c.mcnemar
        rows.append([
            named(c.name_a), named(c.name_b), str(c.n_problems), f"{c.mean_a:.3f}", f"{c.mean_b:.3f}",
            f"{c.difference.estimate:+.3f}", _ends(c.difference), _ends(c.difference_bootstrap),
            f"{m.only_a}, {m.only_b}" if m else NONE, f"{m.p:.3g}" if m else NONE, f"{c.sign_flip.p:.3g}",
            *([f"{c.p_adjusted:.3g}"] if c.p_adjusted is not None else []),
            NONE if c.odds_ratio is None else f"{c.odds_ratio:.3g}",
            NONE if c.cohens_h is None else f"{c.cohens_h:+.3f}",
        ])  # fmt: skip
    text = table(header, rows, len(header) - 2)
    if any(c.mcnemar is not None and c.test != MCNEMAR for c in found):
        text += f"\n\n{OVER_FIRSTS}"
    return text


def _ends(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return NONE
    return f"{interval.low:+.3f} to {interval.high:+.3f}"


# ------------------------------------------------------------------------------------------------ planning


def plan_files(
    paths: Sequence[Path], rows: RowOptions, what: What, options: PlanOptions
) -> tuple[str, dict[str, JsonValue]]:
    """How many problems and samples it takes to see a difference: what is said, and the plans as JSON.

    Raises:
        ConfigError: not one or two pilots, or numbers that can't be. DataError: a pilot says too little.
    """
    difference = options.check()
    if len(paths) > PILOTS:
        msg = f"--plan takes one pilot, or two of the systems that will be compared; got {len(paths)} files"
        raise ConfigError(msg)
    pilots, notes = [], []
    for path in paths:
        found = gather([path], rows)
        for attribute in ("model", "strategy"):
            _check_one(found.samples, str(path), attribute)
        pilots.append(values_by_problem(found.samples, what))
        notes += found.notes
    try:
        designs = _paired(pilots[0], pilots[1]) if len(pilots) == PILOTS else _alone(pilots[0], options.correlation)
        plans = {name: plan_of(difference, c, power=options.power, alpha=options.alpha) for name, c in designs.items()}
    except ValueError as e:
        raise DataError(str(e)) from None
    data = {"plan": VERSION, "what": what, "notes": notes, "plans": {name: p.to_json() for name, p in plans.items()}}
    said = [*(render_plan(name, p) for name, p in plans.items()), *(f"- {escaped(n)}" for n in notes)]
    return "\n\n".join(said), data


def _paired(first: Mapping[str, Sequence[float]], second: Mapping[str, Sequence[float]]) -> dict[str, Components]:
    common = sorted(first.keys() & second.keys())
    return {
        "both systems over the same problems, as in the pilots": paired_components(
            [cluster(first[p]) for p in common], [cluster(second[p]) for p in common]
        )
    }


def _alone(pilot: Mapping[str, Sequence[float]], correlation: float) -> dict[str, Components]:
    mine = components([cluster(v) for v in pilot.values()])
    found = {"two systems that scatter like this one, over different problems": against_another(mine)}
    if mine.within is not None or not correlation:
        name = f"two such systems over the same problems, whose rates correlate by {correlation:g}"
        found[name] = against_another(mine, correlation=correlation)
    return found


def render_plan(name: str, plan: Plan) -> str:
    """A row for each number of samples a problem."""
    rows: list[list[str]] = [
        [
            str(r.samples),
            f"{r.problems:,}",
            f"{r.total_samples:,}",
            NONE if r.minimum_difference is None else f"{r.minimum_difference:.3f}",
        ]
        for r in plan.rows
    ]
    about = (
        f"To see a difference of {abs(plan.difference):g} with {100 * plan.power:g} % power at level {plan.alpha:g}: "
        f"{name} (pilot of {plural(plan.pilot.n_problems, 'problem')})"
    )
    header = [
        "Samples a problem",
        "Problems",
        "Samples of each system",
        "Smallest difference seen with the pilot's size",
    ]
    note = [f"Note: {plan.note}"] if plan.note else []  # first: it may say that the numbers below mean nothing
    return "\n\n".join([*note, about, table(header, rows, len(header))])
