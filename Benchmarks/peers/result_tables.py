# SPDX-License-Identifier: Apache-2.0
# Writes the tables of a run into the marked part of a Markdown file.

import pathlib
import statistics

from alternation import BUSY_CORES, Record
from comparisons import MEMORY_TARGETS, Comparison, Participant

BEGIN = "<!-- bench-peers:begin -->"
END = "<!-- bench-peers:end -->"
NOTHING = "—"


class MarkerError(Exception):
    """The file's markers do not enclose exactly one part."""


def replace_section(file: pathlib.Path, section: str) -> None:
    """Puts `section` between the markers, which are made at the end of the file when it has none."""
    text = file.read_text() if file.exists() else ""
    marked = f"{BEGIN}\n{section.strip()}\n{END}"
    check_markers(file)
    if BEGIN in text:
        before, _, rest = text.partition(BEGIN)
        text = before + marked + rest.partition(END)[2]
    else:
        text = (text.rstrip() + "\n\n" + marked).lstrip() + "\n"
    file.write_text(text)


def check_markers(file: pathlib.Path) -> None:
    text = file.read_text() if file.exists() else ""
    counts = text.count(BEGIN), text.count(END)
    if counts not in ((0, 0), (1, 1)) or text.find(END) < text.find(BEGIN):
        raise MarkerError(f"{file} must have the line {BEGIN} and after it {END}, once each, or neither")


def section(records: list[Record], facts: list[str], peers_only: bool) -> str:
    """The whole part between the markers."""
    plain = [record for record in records if not record.row.private]
    private = [record for record in records if record.row.private]
    parts = ["## Training, against PyTorch and TensorFlow", "\n".join(f"- {fact}" for fact in facts)]
    if peers_only:
        parts.append("Only the peers were measured (`--peers-only`).")
    if plain:
        parts += [
            "A step is forward, backward and Adam; data lie in memory. Milliseconds are medians over the alternations, "
            "in brackets the way of training that was fastest. A ratio is taken within an alternation: our step over "
            "that of the faster peer in it; below 1 we are faster. A target is met by the median. Disturbed: other "
            f"processes took {BUSY_CORES} cores or more in half of the runs.",
            _plain_table(plain), "Peak memory of the processes, libraries and data included.", _memory_table(plain)]
    if private:
        parts += [
            "Private training: each example's gradient clipped, noise added. The ratio is to our own plain step.",
            _private_table(private)]
    return "\n\n".join(parts)


def _plain_table(records: list[Record]) -> str:
    rows = []
    for record in records:
        ours, torch, tensorflow = record.row.participants[:3]
        for comparison in record.row.comparisons:
            # The extra comparison of a row has a peer of its own, and the other peers' figures stand a line above.
            shown = {one.program: one for one in comparison.against}
            rows.append([
                record.row.case, record.row.precision, _step(record, ours), _step(record, shown.get("torch")),
                _step(record, shown.get("tensorflow")), comparison.words, *_judged(record, comparison)])
    return _table(
        ["case", "precision", "ours, ms", "PyTorch, ms", "TensorFlow, ms", "over", "ratio: median (best–worst)",
         "target", ""], rows)


def _private_table(records: list[Record]) -> str:
    rows = []
    for record in records:
        private, plain, opacus = record.row.participants
        rows.append([
            record.row.case, record.row.precision, _step(record, private), _step(record, plain),
            _step(record, opacus), *_judged(record, record.row.comparisons[0])])
    return _table(
        ["case", "precision", "ours private, ms", "ours plain, ms", "Opacus, ms", "ratio: median (best–worst)",
         "target", ""], rows)


def _memory_table(records: list[Record]) -> str:
    rows = []
    for record in records:
        peaks = [record.peak_of(participant) for participant in record.row.participants[:3]]
        peers = [peak for peak in peaks[1:] if peak]
        ratio = peaks[0] / min(peers) if peaks[0] and peers else None
        target = MEMORY_TARGETS.get(record.row.case)
        rows.append([
            record.row.case, record.row.precision, *(f"{peak / 1e6:.0f}" if peak else NOTHING for peak in peaks),
            f"{ratio:.2f}" if ratio else NOTHING, f"{target:.2f}" if target else NOTHING,
            ("met" if ratio <= target else "missed") if ratio and target else ""])
    return _table(
        ["case", "precision", "ours, MB", "PyTorch, MB", "TensorFlow, MB", "over the smaller", "target", ""], rows)


def _step(record: Record, participant: Participant | None) -> str:
    milliseconds = record.median_of(participant) if participant else None
    if milliseconds is None:
        return NOTHING
    mode = "" if participant.program == "ours" else record.mode_of(participant)
    return _three_digits(milliseconds) + (f" ({mode})" if mode not in ("", "plain") else "")


def _judged(record: Record, comparison: Comparison) -> list[str]:
    """The cells ratio, target, verdict."""
    target = f"{comparison.target:.2f}" if comparison.target else NOTHING
    ratios = record.ratios(comparison)
    if not ratios:
        return [NOTHING, target, ""]
    median, best, worst = statistics.median(ratios), min(ratios), max(ratios)
    told = f"{_two_digits(median)} ({_two_digits(best)}–{_two_digits(worst)})"
    if not comparison.target:
        return [told, target, ""]
    verdict = "met" if median <= comparison.target else "best only" if best <= comparison.target else "missed"
    if statistics.median(record.cores_of_others()) >= BUSY_CORES:
        # A busy neighbour slows the peers, whose threads spin, more than their share: the verdict may flatter us.
        verdict += ", disturbed"
    return [told, target, verdict]


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def _two_digits(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
