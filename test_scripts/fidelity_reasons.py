"""Why our verdict differs from the one of record, and why a reference solution fails its own tests.

Keyed by log (or file of problems) and row; a log's name may leave out what follows its first blank.
"""

from __future__ import annotations

REASONS: dict[tuple[str, str], str] = {}
