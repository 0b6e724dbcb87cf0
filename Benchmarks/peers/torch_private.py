# SPDX-License-Identifier: Apache-2.0
# The training step with clipped examples and noise, by Opacus.

from collections.abc import Callable

import torch
from opacus import PrivacyEngine
from opacus.validators import ModuleValidator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import cases
from peer_process import Settings
from torch_training import Batches, adam, autocast


def private_step(model: nn.Module, batches: Batches, mode: str, settings: Settings) -> Callable[[], None]:
    """`mode` is Opacus's `grad_sample_mode`: hooks, functorch or ghost."""
    # Puts Opacus's own recurrent layers, which it can see into, in the place of PyTorch's.
    model = ModuleValidator.fix(model)
    criterion = nn.CrossEntropyLoss()
    # Opacus only reads the size of a batch from it; the step takes the resident batches.
    loader = DataLoader(TensorDataset(torch.zeros(settings.case.batch, 1)), batch_size=settings.case.batch)
    wrapped = PrivacyEngine().make_private(
        module=model, optimizer=adam(model), criterion=criterion, data_loader=loader, poisson_sampling=False,
        noise_multiplier=cases.NOISE_MULTIPLIER, max_grad_norm=cases.CLIPPING_NORM, grad_sample_mode=mode)
    model, optimizer = wrapped[:2]
    if mode == "ghost":
        # Its loss runs backward twice: once for the norms, once for the clipped sum.
        criterion = wrapped[2]

    def step() -> None:
        examples, labels = next(batches)
        optimizer.zero_grad()
        with autocast(settings.precision):
            loss = criterion(model(examples), labels)
        loss.backward()
        optimizer.step()

    return step
