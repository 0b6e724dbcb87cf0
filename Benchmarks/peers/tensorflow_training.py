# SPDX-License-Identifier: Apache-2.0
# Batches in memory and the two ways of training a Keras model.

import itertools

import keras
import numpy
import tensorflow

import cases
from cases import Case
from step_clock import StepClock


def with_function(model: keras.Model, case: Case, clock: StepClock, with_xla: bool) -> None:
    """One call of a compiled function a step, over tensors that are there already."""
    loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(cases.LEARNING_RATE)
    optimizer.build(model.trainable_variables)

    @tensorflow.function(jit_compile=with_xla)
    def step(examples: tensorflow.Tensor, labels: tensorflow.Tensor) -> tensorflow.Tensor:
        with tensorflow.GradientTape() as tape:
            loss = loss_function(labels, model(examples, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    examples, labels = (tensorflow.unstack(array) for array in _resident_batches(case))
    batches = itertools.cycle(zip(examples, labels))
    while clock.tick():
        step(*next(batches)).numpy()


def with_fit(model: keras.Model, case: Case, clock: StepClock, with_xla: bool) -> None:
    """One long epoch of `fit`, which reads whole batches from memory and stops when the clock says so."""
    model.compile(
        keras.optimizers.Adam(cases.LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=with_xla)
    dataset = tensorflow.data.Dataset.from_tensor_slices(_resident_batches(case)).repeat()
    model.fit(dataset, steps_per_epoch=10**9, verbose=0, callbacks=[_Stopwatch(clock)])


class _Stopwatch(keras.callbacks.Callback):
    """Ticks where a step begins, so that all that `fit` does between two steps is counted."""

    def __init__(self, clock: StepClock) -> None:
        super().__init__()
        self.clock = clock

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if not self.clock.tick():
            self.model.stop_training = True


def _resident_batches(case: Case) -> tuple[numpy.ndarray, numpy.ndarray]:
    """All batches' examples, and their labels."""
    generator = numpy.random.default_rng(1)
    count = (case.resident_batches, case.batch)
    if case.is_text:
        examples = generator.integers(cases.VOCABULARY, size=count + case.shape, dtype=numpy.int32)
    else:
        examples = generator.standard_normal(count + case.shape, dtype=numpy.float32)
    return examples, generator.integers(case.classes, size=count, dtype=numpy.int32)
