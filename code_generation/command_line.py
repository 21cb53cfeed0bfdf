"""How a command line becomes a call: flags, config file, environment; and how every mistake becomes one line.

Exit codes: 0 done · 1 finished, but something asked for was not got · 2 usage or configuration · 130 interrupted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import cyclopts

from code_generation.config import read_toml
from code_generation.errors import CodeGenerationError, ConfigError, UnknownName
from code_generation.interruption import resume_command
from code_generation.jsonl import print_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cyclopts import App
    from cyclopts.argument import ArgumentCollection

DONE, NOT_ALL, USAGE, INTERRUPTED = 0, 1, 2, 130

ALIASES = {
    "--timeout": "--timeout-s",
    "--num-problems": "--limit",
    "--max-problems": "--limit",
    "--start-idx": "--start",
    "--random-seed": "--seed",
    "--force-regenerate": "--force",
}
"""What other systems of the field call our flags."""

RESUMED = {"demo", "scrape", "generate", "grade", "evaluate", "baselines"}
"""Commands that go on where they stopped; the others write their output whole or not at all."""
NOT_FROM_ENVIRONMENT = {(command, "--model") for command in ("preprocess", "evaluate", "compare", "diagnose")}
"""A model that is set for other commands is not paid here unasked; where rows are read, it is not theirs."""

NEVER_FROM_FILE = {"--config", "--help", "--version"}
NOT_FROM_FILE = {"evaluate": NEVER_FROM_FILE | {"--problems", "--model", "--strategy"}}
"""Flags that a section of a file can't set, by command: those of `evaluate` are for rows that are there already."""


def fill_in(_app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Values for flags that were not typed: from the file that --config names, section by command; then the
    environment.

    CODEGEN_MODEL sets --model, CODEGEN_BASE_URL sets --base-url, and so on.
    """
    by_flag = {name: a for a in arguments for name in a.names if name.startswith("--")}
    config = by_flag.get("--config")
    values: dict[str, Any] = {}
    if config is not None and config.tokens:
        path = Path(config.tokens[0].value)
        table = read_toml(path)
        if not isinstance(table.get(commands[-1]), dict):
            msg = f"config file {path} has no [{commands[-1]}] section; it has: {', '.join(table) or 'nothing'}"
            raise ConfigError(msg)
        values = table[commands[-1]]
        known = {
            name[2:].replace("-", "_") for name in by_flag.keys() - NOT_FROM_FILE.get(commands[-1], NEVER_FROM_FILE)
        }
        if unknown := sorted(k for k in values if k.replace("-", "_") not in known):
            raise UnknownName(f"key in {path}", unknown[0], known)
    for flag, argument in by_flag.items():
        key = flag[2:].replace("-", "_")
        value = next((v for k, v in values.items() if k.replace("-", "_") == key), None)
        if value is None and ((commands or ("",))[-1], flag) not in NOT_FROM_ENVIRONMENT:
            value = _environment(os.environ, key)
        if not argument.tokens and value is not None and flag not in {"--config", "--help", "--version"}:
            for item in value if isinstance(value, list) else [value]:
                text = str(item).lower() if isinstance(item, bool) else str(item)
                argument.append(cyclopts.Token(keyword=flag, value=text, source="config"))


def _environment(environment: Mapping[str, str], key: str) -> str | None:
    return environment.get(f"CODEGEN_{key.upper()}") or None


def run_app(app: App, *arguments: str) -> NoReturn:
    """Run one command line and exit with its status; mistakes are one line, never a traceback."""
    tokens = [_canonical(a) for a in arguments]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: with everything cleaned up
    try:
        status = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except cyclopts.CycloptsError as e:
        print_error(f"codegen: {' '.join(str(e).split())} Try: codegen {_command(app, tokens)}--help")
        status = USAGE
    except CodeGenerationError as e:
        print_error(f"codegen: {e}")
        status = USAGE
    except BrokenPipeError:  # the reader of our output has gone, `codegen validate F | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = NOT_ALL
    except OSError as e:
        print_error(f"codegen: {e}")
        status = USAGE
    except (KeyboardInterrupt, asyncio.CancelledError):
        again = "this resumes" if tokens and tokens[0] in RESUMED else "nothing was written; this starts again"
        print_error(f"interrupted; {again}: {resume_command()}")
        status = INTERRUPTED
    sys.exit(status if isinstance(status, int) else DONE)


def _canonical(argument: str) -> str:
    flag, equals, value = argument.partition("=")
    return f"{ALIASES.get(flag, flag)}{equals}{value}"


def _command(app: App, tokens: list[str]) -> str:
    return f"{tokens[0]} " if tokens and tokens[0] in app else ""
