"""What finish reasons say of an answer: only those that are known to mean so make it whole."""

from __future__ import annotations

import pytest

from code_generation.evaluation.failures import Fact, kind_of_failure
from code_generation.finish_reasons import WHOLE, ending_of
from test_scripts.export_rows import code, exported, result, turn, wrong

REFUSALS = (
    "content_filter content_filtered SAFETY RECITATION PROHIBITED_CONTENT BLOCKLIST SPII guardrail_intervened refusal "
    "sensitive safety IMAGE_SAFETY"
).split()  # fmt: skip
CUT = (
    "length max_tokens MAX_TOKENS max_output_tokens model_length Length incomplete error OTHER pause_turn abort failed "
    "cancelled network_error insufficient_system_resource repetition_truncation model_context_window_exceeded "
    "tool_calls tool_use function_call stopped_early"
).split()  # fmt: skip


@pytest.mark.parametrize("reason", [*sorted(WHOLE), "STOP", "Stop", " eos ", None])
def test_whole_answers(reason):
    """Known words in any case; None is no service's word and stays."""
    assert ending_of(reason) == "whole"


@pytest.mark.parametrize(("ending", "reasons"), [("refused", REFUSALS), ("cut_off", [*CUT, "", "length "])])
def test_all_other_answers(tmp_path, ending, reasons):
    """Refused or not known to be whole: in no row of any format, and told as such."""
    kinds = {kind_of_failure([Fact("wrong_answer", is_public=False)], finish_reason=reason) for reason in reasons}
    assert {ending_of(reason) for reason in reasons} == {ending} == kinds
    for name in ("sft", "dpo", "kto"):
        rows = []
        for reason in reasons:
            rows.append(result(turn(code(1), finish=reason), sample=len(rows)))
            rows.append(result(turn(wrong(2), passed=False, finish=reason), sample=len(rows)))
        assert exported(tmp_path, name, *rows) == []


def test_whole_answers_are_exported(tmp_path):
    """Any service's word for them will do."""
    rows = [result(turn(code(i), finish=reason), sample=i) for i, reason in enumerate(["STOP", "eos", None])]
    assert len(exported(tmp_path, "sft", *rows)) == 3
