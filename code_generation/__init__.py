"""Give it programming problems and a model; get back code proven to pass, the conversation that led there, and files
to train on.

The public names below are loaded when they are first used: importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from code_generation.errors import CodeGenerationError as CodeGenerationError
    from code_generation.evaluation.figures import evaluate as evaluate
    from code_generation.evaluation.passk import pass_at_k as pass_at_k
    from code_generation.executors import open_executor as open_executor
    from code_generation.exporters.files import export as export
    from code_generation.extract import extract_code as extract_code
    from code_generation.grader import TestExecutionGrader as TestExecutionGrader
    from code_generation.grader import open_grader as open_grader
    from code_generation.loaders import load as load
    from code_generation.models import CodeProblem as CodeProblem
    from code_generation.models import GenerationResult as GenerationResult
    from code_generation.models import Grade as Grade
    from code_generation.models import TestCase as TestCase
    from code_generation.providers import open_provider as open_provider
    from code_generation.results import read_results as read_results
    from code_generation.rewards import deepcoder_code_reward as deepcoder_code_reward
    from code_generation.sampler import SolutionSampler as SolutionSampler
    from code_generation.scraper import scrape as scrape
    from code_generation.scraper import solve as solve

_PUBLIC = {
    "CodeGenerationError": "errors",
    "CodeProblem": "models",
    "GenerationResult": "models",
    "Grade": "models",
    "SolutionSampler": "sampler",
    "TestCase": "models",
    "TestExecutionGrader": "grader",
    "deepcoder_code_reward": "rewards",
    "evaluate": "evaluation.figures",
    "export": "exporters.files",
    "extract_code": "extract",
    "load": "loaders",
    "open_executor": "executors",
    "open_grader": "grader",
    "open_provider": "providers",
    "pass_at_k": "evaluation.passk",
    "read_results": "results",
    "scrape": "scraper",
    "solve": "scraper",
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - the table is the list


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
