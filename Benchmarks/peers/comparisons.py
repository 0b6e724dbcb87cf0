# SPDX-License-Identifier: Apache-2.0
# What is compared with what, and the targets: ours over the faster peer, private over plain, peak memory.

import dataclasses

from cases import CASES

# A step of ours over a step of the faster peer in the same alternation; in bfloat16 over PyTorch's.
STEP_TARGETS = {
    ("seed-cnn", "fp32"): 0.45,
    ("mlp-tiny", "fp32"): 0.05,
    ("mlp", "fp32"): 0.40, ("mlp", "bf16"): 0.45,
    ("cnn28", "fp32"): 0.20, ("cnn28", "bf16"): 0.20,
    ("lstm", "fp32"): 0.62, ("lstm", "bf16"): 0.52,
    ("gru", "fp32"): 0.33,
    ("transformer", "fp32"): 0.48, ("transformer", "bf16"): 0.55,
    ("transformer-b8", "fp32"): 0.48, ("transformer-b8", "bf16"): 0.55,
    ("resnet18", "fp32"): 0.95, ("resnet18", "bf16"): 1.05,
}
# A bfloat16 step of ours over TensorFlow's step in float32.
OVER_FLOAT_TARGETS = {"seed-cnn": 0.30}
# A private step of ours over our own plain step.
PRIVATE_TARGETS = {"seed-cnn": 1.10, "cnn28": 1.35, "mlp": 1.25, "mlp-tiny": 1.6}
# Peak memory of our process over that of the smaller peer's.
MEMORY_TARGETS = {"seed-cnn": 0.30}

NO_PRIVATE_FORM = {"resnet18"}


@dataclasses.dataclass(frozen=True)
class Participant:
    """Whose training step a process measures, and of which kind."""

    program: str
    precision: str
    private: bool = False


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The ratio of our step to the fastest of `against`; a target only where one was set."""

    against: tuple[Participant, ...]
    words: str
    target: float | None


@dataclasses.dataclass(frozen=True)
class Row:
    """A case whose participants run in turn; the first of them is ours."""

    case: str
    participants: tuple[Participant, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def precision(self) -> str:
        return self.participants[0].precision

    @property
    def private(self) -> bool:
        return self.participants[0].private

    def __str__(self) -> str:
        return f"{self.case} {self.precision}" + (" private" if self.private else "")


def plain_rows(chosen: list[str], precisions: list[str]) -> list[Row]:
    """Rows of the chosen cases; of all cases that have a target where none is chosen."""
    return [
        _plain_row(case, precision) for case in chosen or CASES for precision in precisions
        if chosen or (case, precision) in STEP_TARGETS or (precision == "bf16" and case in OVER_FLOAT_TARGETS)]


def private_rows(chosen: list[str], precisions: list[str]) -> list[Row]:
    """The same for private training; the targets are for float32, so bfloat16 is measured only where it is chosen."""
    return [
        _private_row(case, precision) for case in chosen or PRIVATE_TARGETS for precision in precisions
        if case not in NO_PRIVATE_FORM and (chosen or precision == "fp32")]


def _plain_row(case: str, precision: str) -> Row:
    torch, tensorflow = Participant("torch", precision), Participant("tensorflow", precision)
    peers = (torch, tensorflow)
    target = STEP_TARGETS.get((case, precision))
    comparisons = [Comparison(peers, "faster peer", target if precision == "fp32" else None)]
    extra: tuple[Participant, ...] = ()
    if precision == "bf16" and target is not None:
        comparisons.append(Comparison((torch,), "PyTorch bf16", target))
    if precision == "bf16" and case in OVER_FLOAT_TARGETS:
        extra = (Participant("tensorflow", "fp32"),)
        comparisons.append(Comparison(extra, "TensorFlow fp32", OVER_FLOAT_TARGETS[case]))
    return Row(case, (Participant("ours", precision), *peers, *extra), tuple(comparisons))


def _private_row(case: str, precision: str) -> Row:
    plain = Participant("ours", precision)
    target = PRIVATE_TARGETS.get(case) if precision == "fp32" else None
    return Row(
        case, (Participant("ours", precision, private=True), plain, Participant("torch", precision, private=True)),
        (Comparison((plain,), "our plain step", target),))
