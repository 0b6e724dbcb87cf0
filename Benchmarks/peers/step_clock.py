# SPDX-License-Identifier: Apache-2.0
# Times single training steps after a warm-up, in a loop of ours or inside a framework's own.

import statistics
import time

WARM_UP_STEPS = 3
WARM_UP_SECONDS = 0.5
MEASURED_STEPS = 3


class StepClock:
    """
    Call `tick` once before the first step and after every step, until it answers False.

    The warm-up lasts WARM_UP_STEPS and WARM_UP_SECONDS at least, counted from the end of the first step, which may have
    compiled the network. The measured part lasts `seconds`, or MEASURED_STEPS where a step is that slow.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.milliseconds: list[float] = []
        self._ticks = 0
        self._last = 0.0
        self._phase_began = 0.0
        self._is_warm = False

    def tick(self) -> bool:
        now = time.perf_counter()
        if self._is_warm:
            self.milliseconds.append((now - self._last) * 1e3)
        elif self._ticks <= 1:
            self._phase_began = now
        elif self._ticks >= WARM_UP_STEPS and now - self._phase_began >= WARM_UP_SECONDS:
            self._is_warm, self._phase_began = True, now
        self._ticks += 1
        # Read again, so that this function's own work is in no step.
        self._last = time.perf_counter()
        return not (
            self._is_warm and len(self.milliseconds) >= MEASURED_STEPS and now - self._phase_began >= self.seconds)

    def spread(self) -> dict[str, float]:
        """Median, smallest and largest of the measured steps, in milliseconds."""
        return {
            "median": statistics.median(self.milliseconds), "min": min(self.milliseconds),
            "max": max(self.milliseconds)}
