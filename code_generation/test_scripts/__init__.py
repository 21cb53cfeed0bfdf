"""Self-checks that a user runs on the machine that will do the work: `python -m code_generation.test_scripts.NAME`.

Each prints a line a check and ends with exit status 0 where all hold, 1 where one does not, 2 where it could not begin.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from code_generation.errors import CodeGenerationError

if TYPE_CHECKING:
    from collections.abc import Coroutine


def exit_status(checks: Coroutine[Any, Any, int]) -> int:
    """Run checks to their end; a tool that can't begin is one line and exit status 2."""
    try:
        return asyncio.run(checks)
    except CodeGenerationError as e:
        print(e, file=sys.stderr)
        return 2
