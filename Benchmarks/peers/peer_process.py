# SPDX-License-Identifier: Apache-2.0
# What the peers' scripts share: options, one process for each way of training, the JSON that they print.

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from cases import CASES, Case
from step_clock import StepClock


MODE_TIMEOUT_SECONDS = 400


class PeerError(Exception):
    """Something that the person who called the script can change; `hint` says how."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is measured in one process, except the mode."""

    case: Case
    precision: str
    private: bool
    dropout: float
    threads: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The version of what was measured, and the clock that timed its steps."""

    version: str
    clock: StepClock


@dataclasses.dataclass(frozen=True)
class Peer:
    """A framework. `modes` names the ways it can train a case; `measure` trains in one of them."""

    name: str
    modes: Callable[[Settings], list[str]]
    measure: Callable[[Settings, str], Measurement]


def main(peer: Peer, description: str, can_be_private: bool) -> None:
    """The whole life of a peer's script."""
    options = _options(description, can_be_private)
    settings = Settings(
        CASES[options.case], options.precision, options.private, options.dropout, options.threads, options.seconds)
    try:
        modes = _chosen_modes(options.modes, peer.modes(settings))
        if len(modes) == 1:
            result = _measured_here(peer, settings, modes[0])
        else:
            result = _fastest_of(modes, settings)
    except PeerError as error:
        sys.exit(f"error: {error}\nhint: {error.hint}")
    text = json.dumps(result, indent=2) + "\n"
    if options.json == "-":
        sys.stdout.write(text)
    else:
        pathlib.Path(options.json).write_text(text)


def _options(description: str, can_be_private: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--case", required=True, choices=CASES, help="the network to train")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"), help="default fp32")
    if can_be_private:
        parser.add_argument("--private", action="store_true", help="clip each example's gradient and add noise")
    else:
        parser.set_defaults(private=False)
    parser.add_argument("--dropout", type=float, default=0.0, metavar="RATE", help="of the Transformer; default 0")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="default 2")
    parser.add_argument("--seconds", type=float, default=4.0, metavar="S", help="measured part of each mode; default 4")
    parser.add_argument(
        "--modes", metavar="A,B", help="ways to train that are tried, each in its own process; the fastest counts; "
        "default all")
    parser.add_argument("--json", default="-", metavar="FILE", help="where the result goes; - (default) prints it")
    options = parser.parse_args()
    if options.dropout and CASES[options.case].model != "transformer":
        parser.error("--dropout is for the Transformer cases")
    return options


def _chosen_modes(wanted: str | None, known: list[str]) -> list[str]:
    modes = wanted.split(",") if wanted else known
    for mode in modes:
        if mode not in known:
            raise PeerError(f"there is no mode {mode} here", f"choose from {', '.join(known)}")
    return modes


def _measured_here(peer: Peer, settings: Settings, mode: str) -> dict[str, Any]:
    # OpenMP reads this when the framework is loaded, which is why the scripts import theirs inside `measure`.
    os.environ["OMP_NUM_THREADS"] = str(settings.threads)
    measurement = peer.measure(settings, mode)
    spread = measurement.clock.spread()
    return {
        "peer": peer.name, "version": measurement.version, "case": settings.case.name,
        "precision": settings.precision, "private": settings.private, "dropout": settings.dropout,
        "batch": settings.case.batch, "residentBatches": settings.case.resident_batches,
        "threads": settings.threads, "mode": mode, "tried": {mode: spread["median"]}, "failed": {},
        "steps": len(measurement.clock.milliseconds), "millisecondsPerStep": spread, "peakBytes": _peak_bytes()}


def _fastest_of(modes: list[str], settings: Settings) -> dict[str, Any]:
    """Each mode in a process of its own, so that the peak memory told is that of the mode which is kept."""
    results, failed = [], {}
    for mode in modes:
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [sys.executable, sys.argv[0], *_arguments(settings), "--modes", mode, "--json", file.name]
            try:
                process = subprocess.run(
                    command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=MODE_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                failed[mode] = f"did not end within {MODE_TIMEOUT_SECONDS} seconds"
                continue
            if process.returncode == 0:
                results.append(json.loads(file.read()))
            else:
                last_lines = process.stderr.strip().splitlines()[-1:]
                failed[mode] = last_lines[0] if last_lines else f"ended with status {process.returncode}"
    if not results:
        raise PeerError(
            "every mode failed: " + "; ".join(f"{mode}: {reason}" for mode, reason in failed.items()),
            f"run this again with --modes {modes[0]} to see everything it printed")
    best = min(results, key=lambda result: result["millisecondsPerStep"]["median"])
    best["tried"] = {result["mode"]: result["millisecondsPerStep"]["median"] for result in results}
    best["failed"] = failed
    return best


def _arguments(settings: Settings) -> list[str]:
    arguments = ["--case", settings.case.name, "--precision", settings.precision, "--threads", str(settings.threads),
                 "--seconds", str(settings.seconds), "--dropout", str(settings.dropout)]
    return arguments + (["--private"] if settings.private else [])


def _peak_bytes() -> int:
    """
    The most memory that this process held at once.

    Not getrusage: its figure starts from that of the process which started this one.
    """
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise PeerError("the kernel does not tell this process's peak memory", "run on Linux")
