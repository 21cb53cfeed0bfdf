"""What other graders of the field would say: their comparisons, reproduced with their faults.

For measuring how far a verdict depends on the grader (`codegen grade --profile P --diff-profile Q`), never for labels:
most of these accept answers that are wrong. Each follows the code that it names; only the comparison is theirs, how a
program is run stays ours.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from code_generation import evalplus
from code_generation.errors import UnknownName
from code_generation.literals import from_json, is_huge

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from code_generation.models import CodeProblem, TestCase, TestType

MOST_PAIRS = 200_000
"""Pairs of list items that `reward-kit` compares at most, all against all."""


@dataclass(frozen=True)
class Profile:
    """One grader's comparison. A side that it does not have (it grades no functions, or only functions) is None; see
    `decides`.
    """

    source: str
    """Where the original stands."""
    text: Callable[[str, str], bool] | None
    """Of expected and printed text."""
    value: Callable[[Any, Any, CodeProblem, TestCase], bool] | None
    """Of an expected and a returned value."""


def check_profile(name: str) -> None:
    """Look a profile up.

    Raises:
        UnknownName: there is none of that name.
    """
    if name not in PROFILES:
        raise UnknownName("profile", name, (*PROFILES, "default"))


def profile_text(name: str, expected: str | list[str], got: bytes) -> bool:
    """Whether a grader takes what a program printed; what would end that grader is not taken.

    Raises:
        UnknownName: there is no such profile, or it does not decide about programs.
    """
    check_profile(name)
    text = PROFILES[name].text
    if text is None:
        raise UnknownName("profile of programs", name, (n for n in PROFILES if decides(n, "stdin")))
    printed = got.decode(errors="replace")
    return any(_holds(text, e, printed) for e in ([expected] if isinstance(expected, str) else expected))


def decides(name: str, kind: TestType) -> bool:
    """Whether a profile has a comparison of its own for tests of this kind."""
    sides = {"stdin": PROFILES[name].text, "functional": PROFILES[name].value}
    return sides.get(kind) is not None


def profile_value(name: str, problem: CodeProblem, test: TestCase, answer: Any) -> bool:
    """Whether a grader takes what a function returned.

    Raises:
        UnknownName: there is no such profile, or it does not decide about functions.
    """
    check_profile(name)
    value = PROFILES[name].value
    if value is None:
        raise UnknownName("profile of functions", name, (n for n in PROFILES if decides(n, "functional")))
    return _holds(value, from_json(test.output), answer, problem, test)


def _holds(comparison: Callable[..., bool], *args: Any) -> bool:
    try:
        return bool(comparison(*args))
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError):
        return False


# ------------------------------------------------------------------------------------------------ numbers


def _is_close(got: float, expected: float, rel_tol: float = 1e-5, abs_tol: float = 1e-8) -> bool:
    """`numpy.isclose`: relative to the expected one."""
    if math.isinf(got) or math.isinf(expected):
        return got == expected
    return abs(got - expected) <= abs_tol + rel_tol * abs(expected)


def _all_close(got: Iterable[str], expected: Iterable[str]) -> bool:
    """Whether all are numbers, as many, and close."""
    try:
        ours, theirs = [float(g) for g in got], [float(e) for e in expected]
    except (ValueError, TypeError):
        return False
    return len(ours) == len(theirs) and all(map(_is_close, ours, theirs))


def _rounded(groups: Iterable[Collection[str]]) -> set[frozenset[float]]:
    return {frozenset(round(float(t), 3) for t in group) for group in groups}


# ------------------------------------------------------------------------------------------------ text


def livecodebench_text(expected: str, got: str) -> bool:
    """Stripped lines, as many; a line is equal as it is or, token by token, as decimal numbers."""
    wanted, lines = ([line.strip() for line in text.strip().split("\n")] for text in (expected, got))
    return len(wanted) == len(lines) and all(
        w == g or _decimals(w) == _decimals(g) for w, g in zip(wanted, lines, strict=False)
    )


def _decimals(line: str) -> list[Decimal]:
    try:
        return [Decimal(token) for token in line.split()]
    except InvalidOperation:
        raise ValueError(line) from None


def apps_text(expected: str, got: str) -> bool:
    """Lines; else lines that are all numbers, about; else the set of the lines' token sets, exact or to 3 decimals."""
    lines = got.splitlines()
    if "\n".join(lines).strip() == expected.strip() or "\n".join(o.strip() for o in lines).strip() == expected.strip():
        return True
    wanted = [line.strip() for line in expected.split("\n") if line]
    if wanted in (lines, [o for o in lines if o]):
        return True
    lines = [o for o in lines if o]
    if _all_close(lines, wanted):
        return True
    return _same_sets([o.split() for o in lines if o.split()], [w.split() for w in wanted])


def _same_sets(got: list[list[str]], expected: list[list[str]]) -> bool:
    if {frozenset(g) for g in got} == {frozenset(e) for e in expected}:
        return True
    try:
        return _rounded(got) == _rounded(expected)
    except (ValueError, OverflowError):
        return False


def taco_text(expected: str, got: str) -> bool:
    """The chain of APPS over one string: what were lines there are characters here."""
    if got.strip() == expected.strip():
        return True
    wanted = [line.strip() for line in expected.split("\n") if line]
    if _all_close(got, wanted):
        return True
    tokens = {frozenset(token) for token in got.split()}
    if tokens == {frozenset(w.split()) for w in wanted}:
        return True
    try:
        return _rounded(set(got.split())) == _rounded([w.split() for w in wanted])
    except (ValueError, OverflowError):
        return False


def rllm_text(expected: str, got: str) -> bool:
    """Numbers about; lines of as many tokens, where tokens that differ and are no numbers count as equal; then TACO."""
    return _rllm_lines(expected.strip(), got.strip()) or taco_text(expected, got)


def _rllm_lines(expected: str, got: str) -> bool:
    if got == expected:
        return True
    try:
        return _is_close(float(got), float(expected))
    except ValueError:
        pass
    wanted, lines = ([line.split() for line in text.split("\n") if line.strip()] for text in (expected, got))
    if [len(w) for w in wanted] != [len(g) for g in lines]:
        return False
    pairs = ((g, w) for gs, ws in zip(lines, wanted, strict=True) for g, w in zip(gs, ws, strict=True))
    return not any(g != w and _far_apart(g, w) for g, w in pairs)


def _far_apart(got: str, expected: str) -> bool:
    try:
        return not _is_close(float(got), float(expected))
    except ValueError:
        return False  # the fault that this grader is known for


_DOUBLE = re.compile(r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.ASCII)


def alphacode_text(expected: str, got: str) -> bool:
    """Tokens in lower case; numbers, integers too, as doubles within 1e-5."""
    wanted, tokens = (re.split(r"[ \n\t\r\v]+", _lower(text).strip(" \n\t\r\v")) for text in (expected, got))
    return wanted == tokens or (len(wanted) == len(tokens) and all(map(_alphacode_token, wanted, tokens)))


def _lower(text: str) -> str:
    return re.sub("[A-Z]+", lambda m: m[0].lower(), text)  # ASCII only


def _alphacode_token(expected: str, got: str) -> bool:
    if not (_DOUBLE.fullmatch(expected) and _DOUBLE.fullmatch(got)):
        return expected == got
    return abs(float(expected) - float(got)) < 1e-5  # noqa: PLR2004 - and so no infinity equals another


def sandboxfusion_text(expected: str, got: str) -> bool:
    """Lines in lower case, as many; a line that is one number within 1e-5 of it, relatively."""
    wanted, lines = ([line.lower().strip() for line in text.strip().split("\n")] for text in (expected, got))
    return len(wanted) == len(lines) and all(map(_sandboxfusion_line, wanted, lines))


def _sandboxfusion_line(expected: str, got: str) -> bool:
    if expected == got:
        return True
    number = float(expected)
    return abs(float(got) - number) / max(abs(number), 1e-10) < 1e-5  # noqa: PLR2004


def open_r1_text(expected: str, got: str) -> bool:
    """Lines as far as both have some."""
    return all(g.strip() == e.strip() for g, e in zip(got.strip().split("\n"), expected.split("\n"), strict=False))


def reward_kit_text(expected: str, got: str) -> bool:
    """All blanks alike; numbers within a thousandth; lists where each expected item is somewhere among the others."""
    wanted, found = (re.sub(r"\s+", " ", text.strip()) for text in (expected, got))
    if wanted == found:
        return True
    try:
        number, other = float(wanted), float(found)
    except ValueError:
        pass
    else:
        return other == 0 if number == 0 else abs(other - number) / abs(number) <= 0.001  # noqa: PLR2004
    if not all(text.startswith("[") and text.endswith("]") for text in (wanted, found)):
        return False
    items, others = ([str(i) for i in json.loads(text)] for text in (wanted, found))
    known = set(others)
    missing = [i for i in items if i not in known]
    if len(items) != len(others) or len(missing) * len(others) > MOST_PAIRS:
        return False
    return all(any(_holds(reward_kit_text, i, o) for o in others) for i in missing)


# ------------------------------------------------------------------------------------------------ values


def livecodebench_value(expected: Any, got: Any, *_: Any) -> bool:
    """`==`, a tuple at the top being a list."""
    return bool((list(got) if isinstance(got, tuple) else got) == expected)


def apps_value(expected: Any, got: Any, *_: Any) -> bool:
    """`==` to the expected value or to its first item, tuples at the top and below it being lists, keys integers."""
    expected = _integer_keys(expected)
    answer = list(got) if isinstance(got, tuple) else got
    if answer == expected:
        return True
    if not isinstance(expected, list) or not expected:
        return False
    lists = [list(x) for x in answer] if isinstance(answer, list) and answer and isinstance(answer[0], tuple) else None
    return bool(expected[0] in (answer, lists)) if lists is not None else bool(answer == expected[0])


def _integer_keys(expected: Any) -> Any:
    """An expected dict, or one that is the first item of a list, as the only item of a list, its keys integers."""
    first = expected[0] if isinstance(expected, list) and expected else expected
    try:
        return [{int(k): v for k, v in first.items()}] if isinstance(first, dict) else expected
    except ValueError:
        return expected


def reward_kit_value(expected: Any, got: Any, *_: Any) -> bool:
    """As `reward_kit_text`, of both values as text."""
    return not is_huge(got) and reward_kit_text(str(expected), str(got))


PROFILES = {
    "livecodebench": Profile("lcb_runner/evaluation/testing_util.py", livecodebench_text, livecodebench_value),
    "apps": Profile("APPS eval/testing_util.py; also verl's prime_code", apps_text, apps_value),
    "taco": Profile("TACO metrics/testing_util.py; also SkyThought, open-thoughts", taco_text, apps_value),
    "rllm": Profile("rLLM of 2025, rewards/code_utils/taco.py", rllm_text, apps_value),
    "alphacode": Profile("CodeContests execution/tester_sandboxer.cc", alphacode_text, None),
    "sandboxfusion": Profile("SandboxFusion sandbox/utils/testing.py", sandboxfusion_text, None),
    "open-r1": Profile("open-r1 rewards.py, code_reward", open_r1_text, None),
    "reward-kit": Profile("reward-kit rewards/code_execution.py", reward_kit_text, reward_kit_value),
    "evalplus": Profile("EvalPlus evalplus/eval/__init__.py", None, evalplus.equal_values),
}
