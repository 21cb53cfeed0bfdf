"""Why a sample did not pass: one kind a sample, by its last turn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from code_generation.finish_reasons import ending_of

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILURES = {
    "infra": "the box failed, not the candidate: counts as neither right nor wrong",
    "refused": "the model, or a filter, refused to answer",
    "cut_off": "the answer was cut off, by a limit for instance, or is not known to be whole",
    "no_code": "no code was found in the answer",
    "syntax_error": "the code is no Python",
    "missing_function": "what the tests call is not defined",
    "wrong_signature": "the function does not take the arguments of the tests",
    "edge_case": "wrong or raising, but all public tests passed, or at least 80 of 100 of all tests",
    "timeout": "the first test that did not pass ran out of time",
    "memory_limit": "the first test that did not pass ran out of memory",
    "output_limit": "the first test that did not pass wrote too much",
    "runtime_error": "the first test that did not pass raised, or ended the program",
    "wrong_answer": "the first test that did not pass gave another answer than the expected one",
}
"""Kind and what it means; where several hold, the first one counts."""

NEARLY_ALL = 0.8
"""Share of the tests that makes an edge case."""
_SIGNATURE = re.compile(
    r"TypeError: .*\(\) (takes .*|missing \d+ required .*|got an unexpected keyword argument .*|"
    r"got multiple values for .*|got some positional-only arguments .*|got some keyword-only arguments .*)"
)


class Fact(NamedTuple):
    """What became of one test, as far as it decides about the kind."""

    status: str
    is_public: bool
    error: str = ""


def kind_of_failure(
    outcomes: Sequence[Fact], *, has_code: bool = True, refused: bool = False, finish_reason: str | None = None
) -> str:
    """The kind of a sample that did not pass: `kind_of_failure([Fact("timeout", False)])` -> "timeout".

    Tests that were not run are passed over, except that not all tests passed.
    """
    statuses = [o.status for o in outcomes]
    if "infra_error" in statuses:
        return "infra"
    ending = ending_of(finish_reason)
    if refused or ending == "refused":
        return "refused"
    if ending == "cut_off":
        return "cut_off"
    if not has_code:
        return "no_code"
    first = next((o for o in outcomes if o.status not in {"passed", "not_run"}), None)
    if first is None:
        return "wrong_answer"
    if first.status == "runtime_error" and is_wrong_signature(first.error):
        return "wrong_signature"
    if first.status in {"wrong_answer", "runtime_error"} and _nearly(outcomes):
        return "edge_case"
    return first.status


def is_wrong_signature(error: str) -> bool:
    """Whether the call itself failed: a TypeError about arguments without a line of the candidate's in its traceback.

    `is_wrong_signature("TypeError: f() takes 1 positional argument but 2 were given")` -> True; the same error of a
    call that the candidate makes has a traceback.
    """
    return _SIGNATURE.fullmatch(error.strip()) is not None


def _nearly(outcomes: Sequence[Fact]) -> bool:
    public = [o.status == "passed" for o in outcomes if o.is_public]
    passed = sum(o.status == "passed" for o in outcomes)
    return (bool(public) and all(public)) or passed >= NEARLY_ALL * len(outcomes)
