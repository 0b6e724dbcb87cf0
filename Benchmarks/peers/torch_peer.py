# SPDX-License-Identifier: Apache-2.0
# Times a training step of one case in PyTorch, or with --private in PyTorch and Opacus.

import warnings

from peer_process import Measurement, Peer, PeerError, Settings, main
from step_clock import StepClock

CHANNELS_LAST = "channels-last"


def modes(settings: Settings) -> list[str]:
    """Layouts of images, or with --private the ways in which Opacus finds the examples' gradients."""
    if settings.private:
        if settings.case.model == "resnet18":
            raise PeerError(
                "resnet18 has batch normalisation, which mixes examples: it has no private form", "choose another case")
        return ["hooks", "functorch", "ghost"]
    return ["contiguous", CHANNELS_LAST] if settings.case.is_image else ["plain"]


def measure(settings: Settings, mode: str) -> Measurement:
    import torch
    import torch_models
    import torch_training

    torch.set_num_threads(settings.threads)
    torch.manual_seed(1)
    model = torch_models.build(settings.case, settings.dropout, settings.private)
    batches = torch_training.resident_batches(settings.case, channels_last=mode == CHANNELS_LAST)
    version = torch.__version__.split("+")[0]
    if settings.private:
        # Opacus warns of hooks and of generators that are not cryptographic; neither matters to a clock.
        warnings.simplefilter("ignore")
        import opacus
        import torch_private
        version += f", Opacus {opacus.__version__}"
        step = torch_private.private_step(model, batches, mode, settings)
    else:
        if mode == CHANNELS_LAST:
            model = model.to(memory_format=torch.channels_last)
        step = torch_training.plain_step(model, batches, settings.precision)
    clock = StepClock(settings.seconds)
    while clock.tick():
        step()
    return Measurement(version, clock)


if __name__ == "__main__":
    main(Peer("torch", modes, measure), "Times a training step in PyTorch.", can_be_private=True)
