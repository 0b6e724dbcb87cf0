# SPDX-License-Identifier: Apache-2.0
# The benchmark's networks in Keras.

import keras
from keras import Sequential, layers

import cases
from cases import Case


def build(case: Case, dropout: float) -> keras.Model:
    """The network of `case`; its output, the logits, is float32 also under a mixed precision."""
    builders = {
        "mlp": lambda: perceptron(case),
        "seed-cnn": lambda: image_network(case, filters=(32, 64), padding="valid"),
        "cnn28": lambda: image_network(case, filters=(16, 32), padding="same"),
        "lstm": lambda: recurrent_classifier(layers.LSTM, case),
        "gru": lambda: recurrent_classifier(layers.GRU, case),
        "transformer": lambda: transformer_classifier(case, dropout),
        "resnet18": lambda: residual_network(case),
    }
    return builders[case.model]()


def head(case: Case) -> layers.Layer:
    return layers.Dense(case.classes, dtype="float32")


def perceptron(case: Case) -> keras.Model:
    hidden = [layers.Dense(width, activation="relu") for width in case.widths]
    return Sequential([keras.Input(case.shape), *hidden, head(case)])


def image_network(case: Case, filters: tuple[int, ...], padding: str) -> keras.Model:
    blocks: list[layers.Layer] = []
    for count in filters:
        blocks += [layers.Conv2D(count, 3, padding=padding, activation="relu"), layers.MaxPooling2D(2)]
    return Sequential([keras.Input(case.shape), *blocks, layers.Flatten(), head(case)])


def recurrent_classifier(layer: type[layers.Layer], case: Case) -> keras.Model:
    return Sequential([
        keras.Input(case.shape, dtype="int32"), layers.Embedding(cases.VOCABULARY, cases.RECURRENT_EMBEDDING),
        layer(cases.RECURRENT_HIDDEN), head(case)])


class LearnedPositions(layers.Layer):
    """Adds a learned vector for each place in the sequence."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal")

    def call(self, sequence: keras.KerasTensor) -> keras.KerasTensor:
        return sequence + self.vectors


def transformer_classifier(case: Case, dropout: float) -> keras.Model:
    tokens = keras.Input(case.shape, dtype="int32")
    sequence = LearnedPositions()(layers.Embedding(cases.VOCABULARY, cases.TRANSFORMER_WIDTH)(tokens))
    for _ in range(cases.TRANSFORMER_BLOCKS):
        sequence = encoder_block(sequence, dropout)
    return keras.Model(tokens, head(case)(layers.GlobalAveragePooling1D()(sequence)))


def encoder_block(sequence: keras.KerasTensor, dropout: float) -> keras.KerasTensor:
    width = cases.TRANSFORMER_WIDTH

    def dropped(values: keras.KerasTensor) -> keras.KerasTensor:
        return layers.Dropout(dropout)(values) if dropout else values

    normal = layers.LayerNormalization()(sequence)
    attended = layers.MultiHeadAttention(
        cases.TRANSFORMER_HEADS, width // cases.TRANSFORMER_HEADS, dropout=dropout)(normal, normal)
    sequence = layers.add([sequence, dropped(attended)])
    normal = layers.LayerNormalization()(sequence)
    expanded = layers.Dense(cases.TRANSFORMER_FEED_FORWARD, activation="gelu")(normal)
    return layers.add([sequence, dropped(layers.Dense(width)(dropped(expanded)))])


def residual_network(case: Case) -> keras.Model:
    # Keras pads strided layers at the far edges only; maps and arithmetic are as in PyTorch.
    images = keras.Input(case.shape)
    maps = normalised(layers.Conv2D(64, 7, 2, padding="same", use_bias=False)(images))
    maps = layers.MaxPooling2D(3, 2, padding="same")(layers.ReLU()(maps))
    for filters in (64, 128, 256, 512):
        for _ in range(2):
            maps = residual_block(maps, filters)
    return keras.Model(images, head(case)(layers.GlobalAveragePooling2D()(maps)))


def residual_block(maps: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    stride = 1 if maps.shape[-1] == filters else 2
    body = layers.ReLU()(normalised(layers.Conv2D(filters, 3, stride, padding="same", use_bias=False)(maps)))
    body = normalised(layers.Conv2D(filters, 3, padding="same", use_bias=False)(body))
    shortcut = maps if stride == 1 else normalised(layers.Conv2D(filters, 1, stride, use_bias=False)(maps))
    return layers.ReLU()(layers.add([body, shortcut]))


def normalised(maps: keras.KerasTensor) -> keras.KerasTensor:
    # Momentum as PyTorch's default, which counts the other way round.
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(maps)
