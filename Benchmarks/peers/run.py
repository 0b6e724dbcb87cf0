#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Compares our training with PyTorch, TensorFlow and Opacus: short runs in turn, ratios within each turn.
"""
Trains the same networks with consilium-bench, PyTorch and TensorFlow, one after another and again from the start, each
time in a fresh process of a few seconds. The machine's speed moves by tens of per cent within an hour, so only the
ratios inside one alternation are compared; best, median and range are told.

examples:
  make bench-peers                                       everything, private training too: an hour
  make bench-peers ARGS="--case cnn28 mlp --alternations 7"
  Benchmarks/peers/run.py --case seed-cnn --precision bf16 --seconds 5
  Benchmarks/peers/run.py --private-only --json private.json
  Benchmarks/peers/run.py --peers-only --results peers.md         no build of ours is needed

exit status: 0 all was measured, 1 something failed and is missing in the tables, 2 wrong options, 3 not ready to run
"""

import argparse
import datetime
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
from typing import Any, NoReturn

import machine
import result_tables
from alternation import OURS, PYTHON, ROOT, Options, Record, measure, named
from cases import CASES
from comparisons import NO_PRIVATE_FORM, Row, plain_rows, private_rows

PEERS = ("torch", "tensorflow", "opacus")


def main() -> int:
    options = parsed_options()
    rows = chosen_rows(options)
    require_peers()
    if not options.peers_only:
        require_ours()
    try:
        result_tables.check_markers(options.results)
    except result_tables.MarkerError as error:
        stop(str(error), "repair the file, or name another with --results")

    began = datetime.datetime.now(datetime.timezone.utc)
    settings = Options(options.threads, options.seconds, options.dropout)
    records = [measure(row, options.alternations, settings, options.peers_only, say) for row in rows]

    facts = {
        "machine": machine.describe(), "coresOfOthers": neighbours(records), "date": f"{began:%Y-%m-%d}",
        "command": "Benchmarks/peers/run.py " + shlex.join(telling_arguments(sys.argv[1:])),
        "versions": versions(records, options.peers_only), "threads": options.threads,
        "seconds": options.seconds, "alternations": options.alternations, "dropout": options.dropout}
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(raw(facts, records), indent=2) + "\n")
    result_tables.replace_section(options.results, result_tables.section(records, in_words(facts), options.peers_only))
    say(f"wrote {options.results}")
    return 0 if all(is_complete(record, options.peers_only) for record in records) else 1


def parsed_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument(
        "--case", nargs="+", default=[], choices=CASES, metavar="NAME",
        help=f"default: all that have a target; known: {', '.join(CASES)}")
    parser.add_argument("--precision", default="both", choices=("fp32", "bf16", "both"), help="default both")
    parser.add_argument("--private", action="store_true", help="measure private training, too: over our own plain step")
    parser.add_argument("--private-only", action="store_true", help="measure nothing but private training")
    parser.add_argument("--dropout", type=float, default=0.0, metavar="RATE", help="of the Transformer; default 0")
    parser.add_argument("--alternations", type=int, default=5, metavar="N", help="default 5; fewer prove nothing")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="default 2")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="measured part of a run; default 3")
    parser.add_argument("--peers-only", action="store_true", help="leave ours out; no ratios")
    parser.add_argument(
        "--results", type=pathlib.Path, default=ROOT / "Benchmarks/RESULTS.md", metavar="FILE",
        help="Markdown file whose marked part is replaced; default Benchmarks/RESULTS.md")
    parser.add_argument("--json", metavar="FILE", help="every single run's result goes here as well")
    options = parser.parse_args()
    if options.alternations < 1 or options.threads < 1 or options.seconds <= 0:
        parser.error("--alternations, --threads and --seconds must be positive")
    return options


def chosen_rows(options: argparse.Namespace) -> list[Row]:
    precisions = ["fp32", "bf16"] if options.precision == "both" else [options.precision]
    rows = [] if options.private_only else plain_rows(options.case, precisions)
    if options.private or options.private_only:
        rows += private_rows(options.case, precisions)
        for case in NO_PRIVATE_FORM.intersection(options.case):
            say(f"{case} has batch normalisation, which mixes examples: its private form is left out")
    if not rows:
        stop("there is nothing to measure", "choose other cases, or leave --case and --precision away")
    return rows


def require_peers() -> None:
    """Asks the environment's own Python, since an interrupted installation leaves a folder that looks complete."""
    question = f"import importlib.metadata as m; [m.version(name) for name in {PEERS}]"
    if not PYTHON.exists() or subprocess.run([PYTHON, "-c", question], stderr=subprocess.DEVNULL).returncode != 0:
        stop(
            "the peers are not installed in Benchmarks/.venv",
            "run `make bench-peers`, which installs them (8 GB); after an interrupted installation `make clean` first")


def require_ours() -> None:
    # Of a command that it does not know, the program prints the general help and ends well: look for the option.
    if OURS.exists() and "--case" in subprocess.run([OURS, "train", "--help"], capture_output=True, text=True).stdout:
        return
    what = "has no command `train`" if OURS.exists() else "is missing"
    stop(
        f"{OURS.relative_to(ROOT)} {what}",
        "run `make build` on a source that has it, or measure the peers alone with --peers-only")


def telling_arguments(arguments: list[str]) -> list[str]:
    """The arguments without those that only say where the output goes."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--results")
    parser.add_argument("--json")
    return parser.parse_known_args(arguments)[1]


def versions(records: list[Record], peers_only: bool) -> dict[str, str]:
    told = {}
    if not peers_only:
        told["Consilium"] = output_of([OURS, "--version"])
        commit = output_of(["git", "-C", ROOT, "describe", "--always", "--dirty"])
        told["Consilium"] += f" ({commit})" if commit else ""
    for program, name in (("torch", "PyTorch"), ("tensorflow", "TensorFlow")):
        found = [version for version in (record.version_of(program) for record in records) if version]
        if found:
            told[name] = max(found, key=len)
    return told


def neighbours(records: list[Record]) -> dict[str, float]:
    """The middle and the worst run's neighbours, in cores."""
    cores = [one for record in records for one in record.cores_of_others()]
    return {"median": statistics.median(cores), "max": max(cores)} if cores else {}


def output_of(command: list[str | pathlib.Path]) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def in_words(facts: dict[str, Any]) -> list[str]:
    others = facts["coresOfOthers"]
    busy = f"; other processes took {others['median']:.2f} cores (median run) to {others['max']:.2f}" if others else ""
    return [
        f"Machine: {machine.in_words(facts['machine'])}{busy}.",
        "Versions: " + "; ".join(f"{name} {version}" for name, version in facts["versions"].items())
        + f"; Python {sys.version.split()[0]}.",
        f"Date: {facts['date']}; {facts['threads']} threads, {facts['alternations']} alternations, runs of "
        f"{facts['seconds']:g} s, dropout {facts['dropout']:g}.",
        f"Command: `{facts['command'].strip()}`"]


def raw(facts: dict[str, Any], records: list[Record]) -> dict[str, Any]:
    return {**facts, "rows": [
        {
            "case": record.row.case, "precision": record.row.precision, "private": record.row.private,
            "alternations": [
                {named(participant): result for participant, result in results.items()}
                for results in record.alternations],
            "comparisons": [
                {"over": comparison.words, "target": comparison.target, "ratios": record.ratios(comparison)}
                for comparison in record.row.comparisons],
        } for record in records]}


def is_complete(record: Record, peers_only: bool) -> bool:
    wanted = [one for one in record.row.participants if one.program != "ours" or not peers_only]
    return all(one in results for results in record.alternations for one in wanted)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def stop(what: str, hint: str) -> NoReturn:
    say(f"error: {what}\nhint: {hint}")
    sys.exit(3)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("interrupted: nothing was written")
        sys.exit(130)
