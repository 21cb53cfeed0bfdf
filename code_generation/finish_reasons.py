"""What a finish reason says of an answer, in any service's words: whether it is whole, was refused, or was cut off.

Only reasons that are known to mean so make an answer whole: services invent new words for interrupted ones.
"""

from __future__ import annotations

import re
from typing import Literal

WHOLE = frozenset(
    """
    stop end_turn stop_sequence completed complete eos eos_token stop_token finished normal
    """.split()  # noqa: SIM905 - words read better without quotes
)
"""Reasons of answers that the model ended itself. Of none are those that call tools: such a turn is no answer yet."""
_REFUSED = re.compile(
    r"(?:content_?filter|guardrail|refus|sensitive|moderation|(?:image_)?(?:safety|recitation|prohibited_content)|"
    r"blocklist|spii).*",
    re.DOTALL,
)

Ending = Literal["whole", "refused", "cut_off"]


def ending_of(reason: str | None) -> Ending:
    """`whole`, `refused`, or `cut_off`: everything that is not known to mean one of the others.

    >>> ending_of("STOP"), ending_of("SAFETY"), ending_of("max_tokens"), ending_of("tool_calls"), ending_of(None)
    ('whole', 'refused', 'cut_off', 'cut_off', 'whole')

    None is what answers have that no service gave: replayed ones, or a service that never tells.
    """
    if reason is None:
        return "whole"
    word = reason.strip().casefold()
    if word in WHOLE:
        return "whole"
    return "refused" if _REFUSED.fullmatch(word) else "cut_off"
