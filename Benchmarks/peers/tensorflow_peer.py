# SPDX-License-Identifier: Apache-2.0
# Times a training step of one case in TensorFlow, through Keras.

import os

from peer_process import Measurement, Peer, Settings, main
from step_clock import StepClock


def modes(settings: Settings) -> list[str]:
    """A `tf.function` of one step, and Keras's `fit`; each as a graph, and compiled by XLA, `fit`'s own choice."""
    return ["function", "function-xla", "fit", "fit-xla"]


def measure(settings: Settings, mode: str) -> Measurement:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow

    import tensorflow_models
    import tensorflow_training

    tensorflow.config.threading.set_intra_op_parallelism_threads(settings.threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(settings.threads)
    keras.utils.set_random_seed(1)
    if settings.precision == "bf16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    model = tensorflow_models.build(settings.case, settings.dropout)
    clock = StepClock(settings.seconds)
    way, _, compiler = mode.partition("-")
    train = tensorflow_training.with_function if way == "function" else tensorflow_training.with_fit
    train(model, settings.case, clock, with_xla=compiler == "xla")
    return Measurement(f"{tensorflow.__version__}, Keras {keras.__version__}", clock)


if __name__ == "__main__":
    main(Peer("tensorflow", modes, measure), "Times a training step in TensorFlow.", can_be_private=False)
