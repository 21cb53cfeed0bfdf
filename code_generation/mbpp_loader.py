"""`python -m code_generation.mbpp_loader --output F --num-problems 100 --n-public 1` is `codegen preprocess mbpp
...`.
"""

from __future__ import annotations

import sys

from code_generation.generation_cli import run_command


def main() -> None:
    """Run the command; `--help` shows its flags."""
    run_command("preprocess", "mbpp", *sys.argv[1:])


if __name__ == "__main__":
    main()
