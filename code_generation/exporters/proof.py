"""Which results are proven, and by what: the one place that decides what a training file may call right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from code_generation.certificate import sha256_text

if TYPE_CHECKING:
    from code_generation.models import GenerationResult

TESTS = "tests"
"""`verified_by` of a result that passed all of its tests here."""


def verified_by(result: GenerationResult) -> str | None:
    """What proves a result: `tests`, all of the problem's, run here; `harness:swebench`, the official harness, on this
    very patch. None: nothing does.
    """
    if result.verified:
        return TESTS
    said = result.harness
    if said is None or said.outcome != "resolved" or result.final_code is None:
        return None
    return f"harness:{said.harness}" if said.patch_sha256 == sha256_text(result.final_code) else None


def is_proven(result: GenerationResult) -> bool:
    """Whether a result may be exported as right."""
    return verified_by(result) is not None


def is_certified(result: GenerationResult) -> bool:
    """Whether the certificate of a result that passed its tests is of the code that the row holds."""
    if not result.verified:
        return True  # proven by a harness, which names the patch itself
    certificate = result.certificate
    code = result.final_code
    return certificate is not None and code is not None and certificate.code_sha256 == sha256_text(code)
