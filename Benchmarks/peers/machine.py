# SPDX-License-Identifier: Apache-2.0
# What a reader of the figures must know of the machine: its parts, without its name, and how busy others kept it.

import os
import pathlib
import platform
import resource
import time
from typing import Any

TELLING_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def describe() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, system."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    processor = dict(
        (key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in reversed(lines)) if value)
    features = processor.get("flags", "").split()
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processor.get("model name", platform.machine()),
        "family": processor.get("cpu family", ""),
        "features": [feature for feature in TELLING_FEATURES if feature in features],
        "isVirtual": "hypervisor" in features,
        "cores": len(os.sched_getaffinity(0)),
        "memoryBytes": pages * page_bytes,
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
    }


def in_words(machine: dict[str, Any]) -> str:
    kind = "virtual machine, " if machine["isVirtual"] else ""
    family = f" (family {machine['family']})" if machine["family"] else ""
    return (
        f"{kind}{machine['processor']}{family}, {machine['cores']} cores, {', '.join(machine['features'])}; "
        f"{machine['memoryBytes'] / 2**30:.0f} GiB of memory; {machine['system']}")


class NeighbourWatch:
    """
    Tells how much processor time others took while our child processes ran, in cores.

    Threads that wait for each other by spinning suffer far more from a busy neighbour than its share: such runs tell
    nothing, and this is how a reader sees them. Time that the machine beneath a virtual one took away counts, too.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy, self._ours = _busy_seconds(), _seconds_of_children()

    def cores(self) -> float:
        """Since the watch was made; all children must have ended."""
        others = _busy_seconds() - self._busy - (_seconds_of_children() - self._ours)
        return max(0.0, others / (time.monotonic() - self._began))


def _busy_seconds() -> float:
    """Processor time used on the whole machine since it started: all but idle and waiting for disks."""
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(
        int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")


def _seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
