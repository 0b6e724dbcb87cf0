# SPDX-License-Identifier: Apache-2.0
# Batches in memory and the plain training step in PyTorch.

import contextlib
import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

import cases
from cases import Case

Batches = Iterator[tuple[Tensor, Tensor]]


def resident_batches(case: Case, channels_last: bool) -> Batches:
    """Examples and labels of one batch after another, without end; all are in memory before this returns."""
    batches = []
    for _ in range(case.resident_batches):
        if case.is_text:
            examples = torch.randint(cases.VOCABULARY, (case.batch, *case.shape))
        elif case.is_image:
            height, width, channels = case.shape
            examples = torch.randn(case.batch, channels, height, width)
        else:
            examples = torch.randn(case.batch, *case.shape)
        if channels_last:
            examples = examples.contiguous(memory_format=torch.channels_last)
        batches.append((examples, torch.randint(case.classes, (case.batch,))))
    return itertools.cycle(batches)


def plain_step(model: nn.Module, batches: Batches, precision: str) -> Callable[[], None]:
    optimizer = adam(model)

    def step() -> None:
        examples, labels = next(batches)
        optimizer.zero_grad()
        with autocast(precision):
            loss = functional.cross_entropy(model(examples), labels)
        loss.backward()
        optimizer.step()

    return step


def adam(model: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=cases.LEARNING_RATE, fused=True)


def autocast(precision: str) -> contextlib.AbstractContextManager:
    """PyTorch's bfloat16; in float32 nothing, not even a context that is switched off."""
    return torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
