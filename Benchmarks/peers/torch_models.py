# SPDX-License-Identifier: Apache-2.0
# The benchmark's networks in PyTorch.

import torch
from torch import Tensor, nn
from torch.nn import functional

import cases
from cases import Case


def build(case: Case, dropout: float, private: bool) -> nn.Module:
    """The network of `case`. Activations overwrite their input, which saves memory, except where Opacus refuses it."""
    builders = {
        "mlp": lambda: perceptron(case),
        "seed-cnn": lambda: seed_network(case, in_place=not private),
        "cnn28": lambda: small_image_network(case, in_place=not private),
        "lstm": lambda: RecurrentClassifier(nn.LSTM, case),
        "gru": lambda: RecurrentClassifier(nn.GRU, case),
        "transformer": lambda: TransformerClassifier(case, dropout),
        "resnet18": lambda: residual_network(case),
    }
    return builders[case.model]()


def perceptron(case: Case) -> nn.Module:
    widths = (case.shape[0], *case.widths)
    layers: list[nn.Module] = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], case.classes))


def seed_network(case: Case, in_place: bool) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(in_place), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(in_place), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(54 * 54 * 64, case.classes))


def small_image_network(case: Case, in_place: bool) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(in_place), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(in_place), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(7 * 7 * 32, case.classes))


class RecurrentClassifier(nn.Module):
    """Embedding, one recurrent layer, a dense layer on its last step."""

    def __init__(self, layer: type[nn.LSTM] | type[nn.GRU], case: Case) -> None:
        super().__init__()
        self.embedding = nn.Embedding(cases.VOCABULARY, cases.RECURRENT_EMBEDDING)
        self.recurrent = layer(cases.RECURRENT_EMBEDDING, cases.RECURRENT_HIDDEN, batch_first=True)
        self.head = nn.Linear(cases.RECURRENT_HIDDEN, case.classes)

    def forward(self, tokens: Tensor) -> Tensor:
        outputs, _ = self.recurrent(self.embedding(tokens))
        return self.head(outputs[:, -1])


class TransformerClassifier(nn.Module):
    """Embedding and learned positions, pre-norm encoder blocks, the mean over time, a dense layer."""

    def __init__(self, case: Case, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(cases.VOCABULARY, cases.TRANSFORMER_WIDTH)
        self.positions = nn.Embedding(cases.TOKENS, cases.TRANSFORMER_WIDTH)
        self.blocks = nn.Sequential(*(EncoderBlock(dropout) for _ in range(cases.TRANSFORMER_BLOCKS)))
        self.head = nn.Linear(cases.TRANSFORMER_WIDTH, case.classes)
        self.register_buffer("places", torch.arange(cases.TOKENS))

    def forward(self, tokens: Tensor) -> Tensor:
        # Opacus needs the batch in front of every layer's input, hence the expansion.
        embedded = self.embedding(tokens) + self.positions(self.places.expand_as(tokens))
        return self.head(self.blocks(embedded).mean(dim=1))


class EncoderBlock(nn.Module):
    """
    As `nn.TransformerEncoderLayer` with `norm_first`, and its four places of dropout.

    Written out of dense layers because Opacus cannot see into `nn.MultiheadAttention`; PyTorch's fused attention is the
    same in both.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        width = cases.TRANSFORMER_WIDTH
        self.rate = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.expansion = nn.Linear(width, cases.TRANSFORMER_FEED_FORWARD)
        self.contraction = nn.Linear(cases.TRANSFORMER_FEED_FORWARD, width)

    def forward(self, sequence: Tensor) -> Tensor:
        sequence = sequence + self._dropout(self.projection(self._attention(self.attention_norm(sequence))))
        expanded = self._dropout(functional.gelu(self.expansion(self.feed_forward_norm(sequence))))
        return sequence + self._dropout(self.contraction(expanded))

    def _attention(self, sequence: Tensor) -> Tensor:
        batch, time, width = sequence.shape
        heads = self.queries_keys_values(sequence).view(batch, time, 3, cases.TRANSFORMER_HEADS, -1)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(queries, keys, values, dropout_p=self.rate)
        return attended.transpose(1, 2).reshape(batch, time, width)

    def _dropout(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.rate) if self.rate else values


def residual_network(case: Case) -> nn.Module:
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True),
        nn.MaxPool2d(3, stride=2, padding=1)]
    channels = 64
    for outputs in (64, 128, 256, 512):
        layers += [ResidualBlock(channels, outputs), ResidualBlock(outputs, outputs)]
        channels = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, case.classes))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the first halves the map where the channels grow."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity() if stride == 1 else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        return functional.relu(self.body(images) + self.shortcut(images), inplace=True)
