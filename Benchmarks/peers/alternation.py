# SPDX-License-Identifier: Apache-2.0
# Runs the participants of a row in turn, each in a fresh process, and keeps what each alternation gave.

import dataclasses
import json
import pathlib
import statistics
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from typing import Any

from comparisons import Comparison, Participant, Row
from machine import NeighbourWatch

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OURS = ROOT / ".build/release/consilium-bench"
PYTHON = ROOT / "Benchmarks/.venv/bin/python"

# A mode is tried in every alternation if in the first it was at most this much slower than the fastest: the machine's
# noise may have chosen between such, and slower ones would only take time.
WORTH_TRYING = 1.5
# Other processes that take as much of the machine as this, or more, are mentioned.
BUSY_CORES = 0.1
# Longer than the four modes of a peer may take together.
TIMEOUT_SECONDS = 1800


class RunError(Exception):
    """One process that did not measure; the text is what it said last."""


@dataclasses.dataclass(frozen=True)
class Options:
    threads: int
    seconds: float
    dropout: float


@dataclasses.dataclass
class Record:
    """The results of a row: one dictionary from participant to printed JSON for each alternation."""

    row: Row
    alternations: list[dict[Participant, dict[str, Any]]]

    def median_of(self, participant: Participant) -> float | None:
        """The median over the alternations of the participant's median step, in milliseconds."""
        steps = [results[participant]["millisecondsPerStep"]["median"] for results in self._with(participant)]
        return statistics.median(steps) if steps else None

    def peak_of(self, participant: Participant) -> float | None:
        peaks = [results[participant]["peakBytes"] for results in self._with(participant)]
        return statistics.median(peaks) if peaks else None

    def mode_of(self, participant: Participant) -> str:
        """The mode that was fastest most often."""
        return Counter(results[participant]["mode"] for results in self._with(participant)).most_common(1)[0][0]

    def cores_of_others(self) -> list[float]:
        """What other processes took of the machine, for each run."""
        return [result["coresOfOthers"] for results in self.alternations for result in results.values()]

    def version_of(self, program: str) -> str | None:
        """The longest of the versions told: with private rows it names Opacus, too."""
        versions = [
            result["version"] for results in self.alternations for participant, result in results.items()
            if participant.program == program and "version" in result]
        return max(versions, key=len, default=None)

    def ratios(self, comparison: Comparison) -> list[float]:
        """Our step over the fastest of the others, for each alternation in which both were measured."""
        ours = self.row.participants[0]
        ratios = []
        for results in self.alternations:
            others = [
                results[other]["millisecondsPerStep"]["median"] for other in comparison.against if other in results]
            if ours in results and others:
                ratios.append(results[ours]["millisecondsPerStep"]["median"] / min(others))
        return ratios

    def _with(self, participant: Participant) -> list[dict[Participant, dict[str, Any]]]:
        return [results for results in self.alternations if participant in results]


def measure(row: Row, count: int, options: Options, peers_only: bool, say: Callable[[str], None]) -> Record:
    """
    `count` alternations of the row. A participant that fails is told and left out of the alternations that follow:
    the others' figures still count.
    """
    participants = [one for one in row.participants if one.program != "ours" or not peers_only]
    modes: dict[Participant, list[str]] = {}
    record = Record(row, [])
    for number in range(1, count + 1):
        results: dict[Participant, dict[str, Any]] = {}
        for participant in list(participants):
            try:
                result = _run(_command(participant, row.case, modes.get(participant, []), options))
            except RunError as error:
                say(f"error: {row}, {named(participant)}: {error}")
                participants.remove(participant)
                continue
            results[participant] = result
            tried = result.get("tried", {})
            if participant not in modes:
                modes[participant] = [mode for mode in tried if tried[mode] <= WORTH_TRYING * min(tried.values())]
        record.alternations.append(results)
        say(f"{row} {number}/{count}: " + ", ".join(_in_words(one, result) for one, result in results.items()))
    return record


def named(participant: Participant) -> str:
    """A participant in a line of progress."""
    return " ".join([participant.program, participant.precision] + (["private"] if participant.private else []))


def _in_words(participant: Participant, result: dict[str, Any]) -> str:
    words = f"{named(participant)} {result['millisecondsPerStep']['median']:.4g} ms"
    others = result["coresOfOthers"]
    return words + (f" (others took {others:.1f} cores)" if others >= BUSY_CORES else "")


def _command(participant: Participant, case: str, modes: list[str], options: Options) -> list[str]:
    if participant.program == "ours":
        command = [str(OURS), "train"]
    else:
        command = [str(PYTHON), str(ROOT / f"Benchmarks/peers/{participant.program}_peer.py")]
    command += ["--case", case, "--precision", participant.precision, "--threads", str(options.threads),
                "--seconds", str(options.seconds)]
    if participant.private:
        command.append("--private")
    if options.dropout and case.startswith("transformer"):
        command += ["--dropout", str(options.dropout)]
    if modes:
        command += ["--modes", ",".join(modes)]
    return command


def _run(command: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "result.json"
        watch = NeighbourWatch()
        try:
            process = subprocess.run(
                [*command, "--json", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise RunError(f"did not end within {TIMEOUT_SECONDS} seconds") from None
        if process.returncode != 0:
            said = [line for line in process.stderr.splitlines() if line.startswith(("error:", "Error:"))]
            said = said or process.stderr.strip().splitlines()[-1:]
            raise RunError(said[0] if said else f"ended with status {process.returncode}")
        try:
            result = json.loads(file.read_text())
            result["millisecondsPerStep"]["median"], result["peakBytes"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(f"wrote no usable result ({type(error).__name__}: {error})") from None
    result["coresOfOthers"] = round(watch.cores(), 2)
    return result
