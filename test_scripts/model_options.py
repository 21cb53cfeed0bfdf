"""The command line of the loopback model server."""

from __future__ import annotations

import argparse

from test_scripts.batch_server import add_batch_options
from test_scripts.model_faults import FAULTS

NUMBERS = [
    ("latency", 0.0, "seconds before each answer"),
    ("jitter", 0.0, "up to so many seconds more, at random"),
    ("chunk-delay", 0.0, "seconds after each event of a stream"),
    ("retry-after", 0.0, "Retry-After of the fault rate_limit, in seconds"),
    ("rps", None, "requests a second that are admitted"),
    ("burst", None, "requests that may come at once; a second's worth where not given"),
    ("tps", None, "tokens a second, of prompt and answer, charged on admission"),
    ("token-burst", None, "tokens that may come at once; ten seconds' worth where not given"),
    ("window", None, "count rates in fixed windows of so many seconds instead of buckets"),
]
COUNTS = [
    ("port", 0, "0 takes a free one, which is printed"),
    ("solve-at-turn", None, "right after so many answers, in place of --mode"),
    ("pad", 0, "characters of an answer, about"),
    ("chunks", 8, "pieces of the text of a stream"),
    ("reasoning", 60, "characters of reasoning where there is any"),
    ("chars-per-token", 4, "characters that count as a token, everywhere"),
    ("min-cache-tokens", 0, "shorter prefixes are not cached"),
    ("max-output", None, "the largest limit of output tokens that is accepted"),
    ("seed", 0, "of what is random"),
    ("keep-bodies", 10_000, "the last so many bodies and keys are kept for the control page"),
]
LISTS = [
    ("never", "problem id that is never solved"),
    ("fault-for", "problem id that the faults are kept for"),
    ("random-fault", "NAME=PROBABILITY: a fault at random"),
    ("reject", "parameter that is refused: temperature, reasoning.effort, messages.reasoning"),
    ("reasoning-field", "field of a chat message for reasoning: reasoning_content, reasoning, reasoning_details"),
    ("known-model", "models that there are; any where none is given"),
    ("api-key", "keys that are good; any where none is given"),
]
FLAGS = [
    ("forever", "the last fault stays"),
    ("no-retry-after", "a refusal doesn't say when to come back"),
    ("rate-headers", "every response tells the state of the limits"),
    ("always-think", "reasoning though it wasn't asked for"),
    ("redacted", "a redacted thinking block beside the thinking (Messages)"),
    ("content-parts", "chat content as a list of parts"),
    ("extra-fields", "fields in chat messages that nobody knows"),
    ("check-fields", "refuse chat messages that come back without their extra fields"),
    ("cost", "say the cost in the usage of a chat completion"),
    ("auto-cache", "cache prompts honestly in the OpenAI dialects too"),
    ("until-eof", "end when standard input does, as it does with the process that started this"),
]
STYLES = ["parameter", "value", "unknown", "extra", "groq"]


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default, text in NUMBERS:
        parser.add_argument(f"--{name}", type=float, default=default, help=text)
    for name, number, text in COUNTS:
        parser.add_argument(f"--{name}", type=int, default=number, help=text)
    for name, text in LISTS:
        parser.add_argument(f"--{name}", action="append", default=[], help=text)
    for name, text in FLAGS:
        parser.add_argument(f"--{name}", action="store_true", help=text)
    parser.add_argument("--problems", help="problem file to answer from")
    parser.add_argument("--mode", choices=["repair", "right", "wrong"], default="repair")
    parser.add_argument("--text", default="Hello.", help="answer where the problem is not known")
    parser.add_argument("--fault", action="append", default=[], choices=FAULTS, help="one request each, in order")
    parser.add_argument("--reject-style", choices=STYLES, default="parameter", help="how --reject is put")
    parser.add_argument("--refusal-category", default="cyber", help="of refusals in Messages; `none` for null")
    add_batch_options(parser)
    return parser.parse_args()
