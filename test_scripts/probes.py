"""Answers by which graders differ, and who takes them: measured with each grader's own comparison."""

from __future__ import annotations

GRADERS = ("rllm", "taco", "apps", "livecodebench", "sandboxfusion", "alphacode", "open-r1", "reward-kit")
ACCEPTED = {
    # got, expected: who takes it, in the order above; whether it is right (None: opinions differ)
    ("NO", "YES"): ("A.......", False),
    ("Alice 5", "Bob 5"): ("A.......", False),
    ("1000", "1001"): (".......A", False),
    ("1000000007", "1000000000"): ("A.A.A..A", False),
    ("12345678901234567", "12345678901234568"): ("A.A.AA.A", False),
    ("3\n1\n2", "1\n2\n3"): ("AAA.....", False),
    ("1 2", "2 1"): ("..A.....", False),
    ("1 1 2", "1 2 2"): ("..A.....", False),
    ("1", "1\n2\n3"): ("......A.", False),
    ("1\n2\n3\n4", "1\n2\n3"): ("......A.", False),
    ("yes", "YES"): ("A...AA..", None),
    ("1  2", "1 2"): ("A.AA.A.A", None),
    ("1\n\n2", "1\n2"): ("AAA..A.A", None),
    ("2.0", "2"): ("A.AAAA.A", None),
    ("0.3333333333", "0.3333333"): ("A.A.AA.A", True),
    ("5 0.3333333333", "5 0.3333333"): ("A.A..A..", True),
}
