"""Examining lines in this process or, where there is much to read, in several: those of one problem always in the same
one, which knows what it has seen of it. What comes back is in the order of the lines, and the same either way.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, Self
from zlib import crc32

from code_generation.errors import CodeGenerationError, ConfigError
from code_generation.exporters.examine import Examiner, Line, read_result
from code_generation.models import GenerationResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from code_generation.exporters.checks import Findings
    from code_generation.exporters.examine import Examined
    from code_generation.exporters.options import ExportOptions

WORTH_IT = 64 << 20
"""Bytes to read from which on other processes are started; each takes half a second to start."""
MOST_WORKERS = 8
PORTION, PORTION_BYTES = 64, 1 << 20
"""Lines, or bytes of them, that are handed over at a time."""
UNDER_WAY = 6
"""Portions handed over and not come back."""


def workers_for(size: int) -> int:
    """How many processes are worth it for so many bytes: none, or one a core."""
    cores = len(os.sched_getaffinity(0))
    return 0 if size < WORTH_IT or cores < 2 else min(cores, MOST_WORKERS)  # noqa: PLR2004 - alone it is as fast here


_FRONT = re.compile(rb'\{"problem": \{"problem_id": "([^"\\]*)"')


def problem_id_of(line: Line) -> bytes:
    """The id of a line's problem as bytes, found at sight where the row is as this version writes it."""
    if front := _FRONT.match(line.text):
        return front[1]
    result = read_result(line)
    found = result.problem.problem_id if isinstance(result, GenerationResult) else ""
    return found.encode("utf-8", "surrogatepass")


class Alone:
    """Examines in this process."""

    def __init__(self, name: str, options: ExportOptions) -> None:
        self._examiner = Examiner(name, options)

    def examine(self, lines: Iterable[Line]) -> Iterator[tuple[Line, Examined]]:
        """Each line and what became of it."""
        for line in lines:
            yield line, self._examiner.examine(line)

    def findings(self) -> list[Findings]:
        """What was found, after all lines."""
        return [self._examiner.findings()]

    def __enter__(self) -> Self:
        """Give back itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Give back what is remembered."""
        self._examiner.close()


class Crew:
    """Examines in other processes."""

    def __init__(self, name: str, options: ExportOptions, workers: int) -> None:
        """Start them, with the same places to import from as here.

        Raises:
            ConfigError, DataError: what the options name can't be had.
        """
        with Examiner(name, options):  # what is wrong is said here, once
            pass
        start = (
            f"import sys; sys.path[:] = {json.dumps(sys.path)}; from code_generation.exporters.crew import work; work()"
        )
        self._workers = [
            subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(workers)
        ]
        # a pipe holds less than a portion: threads keep it full, and empty, so that nobody waits for anybody to read
        self._questions: list[SimpleQueue[Any]] = [SimpleQueue() for _ in self._workers]
        self._answers: list[SimpleQueue[Any]] = [SimpleQueue() for _ in self._workers]
        self._threads = [
            Thread(target=target, args=(_pipe(pipe), queue), daemon=True)
            for worker, questions, answers in zip(self._workers, self._questions, self._answers, strict=True)
            for target, pipe, queue in ((_write_all, worker.stdin, questions), (_read_all, worker.stdout, answers))
        ]
        for thread in self._threads:
            thread.start()
        for questions in self._questions:
            questions.put((name, options))

    def examine(self, lines: Iterable[Line]) -> Iterator[tuple[Line, Examined]]:
        """Each line, without its text, and what became of it."""
        waiting: deque[tuple[list[Line], list[int]]] = deque()
        for portion in _portions(lines):
            places = [crc32(problem_id_of(line)) % len(self._workers) for line in portion]
            for number, questions in enumerate(self._questions):
                questions.put([line for line, place in zip(portion, places, strict=True) if place == number])
            waiting.append(([line._replace(text=b"") for line in portion], places))
            if len(waiting) >= UNDER_WAY:
                yield from self._collect(*waiting.popleft())
        while waiting:
            yield from self._collect(*waiting.popleft())

    def _collect(self, portion: list[Line], places: list[int]) -> Iterator[tuple[Line, Examined]]:
        answers = [iter(self._receive(number)) for number in range(len(self._workers))]
        for line, place in zip(portion, places, strict=True):
            yield line, next(answers[place])

    def _receive(self, number: int) -> Any:
        answer = self._answers[number].get()
        if answer is None:
            msg = f"a process that examines results has ended with status {self._workers[number].wait()}"
            raise CodeGenerationError(msg)
        return answer

    def findings(self) -> list[Findings]:
        """What was found, after all lines."""
        for questions in self._questions:
            questions.put(None)
        return [self._receive(number) for number in range(len(self._workers))]

    def __enter__(self) -> Self:
        """Give back itself."""
        return self

    def __exit__(self, *exc: object) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.kill()
        for questions in self._questions:
            questions.put(_END)
        for thread in self._threads:
            thread.join()
        for worker in self._workers:
            worker.wait()
            with suppress(BrokenPipeError):  # what was on its way
                _pipe(worker.stdin).close()
            _pipe(worker.stdout).close()


def open_crew(name: str, options: ExportOptions, workers: int) -> Alone | Crew:
    """Whoever examines."""
    return Crew(name, options, workers) if workers else Alone(name, options)


def _portions(lines: Iterable[Line]) -> Iterator[list[Line]]:
    portion: list[Line] = []
    size = 0
    for line in lines:
        portion.append(line)
        size += len(line.text)
        if len(portion) >= PORTION or size >= PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def work() -> None:
    """What another process does: examine what comes in, until the other side closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one decides
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    try:
        with Examiner(*_receive(incoming)) as examiner:
            while (lines := _receive(incoming)) is not None:
                _send(outgoing, [examiner.examine(line) for line in lines])
            _send(outgoing, examiner.findings())
    except (EOFError, BrokenPipeError):
        return


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        msg = "a process without its pipes"
        raise ConfigError(msg)
    return pipe


_END = object()
"""Behind the last question."""


def _write_all(pipe: IO[bytes], questions: SimpleQueue[Any]) -> None:
    """Send each question as soon as there is room for it."""
    with suppress(BrokenPipeError):
        while (question := questions.get()) is not _END:
            _send(pipe, question)


def _read_all(pipe: IO[bytes], answers: SimpleQueue[Any]) -> None:
    """Put each answer into the queue as it comes, and None where there will be no more."""
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            answers.put(_receive(pipe))
    answers.put(None)


def _send(pipe: IO[bytes], value: object) -> None:
    data = pickle.dumps(value, protocol=5)
    pipe.write(len(data).to_bytes(8, "little"))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    size = pipe.read(8)
    if len(size) < 8:  # noqa: PLR2004 - bytes of a length
        raise EOFError
    return pickle.loads(pipe.read(int.from_bytes(size, "little")))  # noqa: S301 - from a process of ours
