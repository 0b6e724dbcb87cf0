# SPDX-License-Identifier: Apache-2.0
# The cases of the training benchmark: sizes that every framework's model is built from.
"""The same definitions stand in Swift in `consilium-bench train`; whoever changes one changes both."""

import dataclasses

LEARNING_RATE = 1e-3
CLIPPING_NORM = 1.0
NOISE_MULTIPLIER = 1.0

# Of the recurrent networks and the Transformer.
VOCABULARY = 8000
TOKENS = 128
RECURRENT_EMBEDDING = 128
RECURRENT_HIDDEN = 256
TRANSFORMER_WIDTH = 256
TRANSFORMER_HEADS = 4
TRANSFORMER_BLOCKS = 4
TRANSFORMER_FEED_FORWARD = 1024


@dataclasses.dataclass(frozen=True)
class Case:
    """One network with its batch; `shape` is that of an example without the batch, channels last."""

    name: str
    model: str
    batch: int
    shape: tuple[int, ...]
    classes: int
    widths: tuple[int, ...] = ()
    # How many different batches lie in memory and are used in turn. Few where they are large: the data are no merit or
    # fault of a framework, and the peak memory of the processes is compared.
    resident_batches: int = 8

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def is_text(self) -> bool:
        return self.shape == (TOKENS,)


CASES = {
    case.name: case
    for case in (
        Case("seed-cnn", "seed-cnn", 32, (224, 224, 3), 10, resident_batches=2),
        Case("mlp-tiny", "mlp", 32, (13,), 2, widths=(64, 32)),
        Case("mlp", "mlp", 256, (100,), 10, widths=(512, 512)),
        Case("cnn28", "cnn28", 64, (28, 28, 1), 10),
        Case("lstm", "lstm", 32, (TOKENS,), 5),
        Case("gru", "gru", 32, (TOKENS,), 5),
        Case("transformer", "transformer", 32, (TOKENS,), 5),
        Case("transformer-b8", "transformer", 8, (TOKENS,), 5),
        Case("resnet18", "resnet18", 8, (224, 224, 3), 1000, resident_batches=2),
    )
}
