# SPDX-License-Identifier: Apache-2.0
# Objects O1 to O3 of the secure sum in Python, byte for byte: roster, context, inputs and task; and the graph.
"""O1 to O3 as the design numbers them. Readers are strict."""

import dataclasses

from secure_arithmetic import words
from secure_bytes import HASH, LABEL, SIGNATURE, Reader, ascending, bitmap, label, lp, require, sha, u32, u64

TRAINING, STATISTICS, EVALUATION, CONTROLS = 1, 2, 3, 4


# ---- O1 roster, O2 context, O3 inputs and task -----------------------------------------------------------------------

@dataclasses.dataclass
class Entry:
    site: bytes
    leaf: bytes
    statement: bytes
    witness: bytes
    xwing: bytes
    commitment: bytes
    epoch: int
    not_after: int
    vouches: list  # (name, signature); the site's own name, alone, with its old key: a rotation
    since: int = 0  # the epoch since which it has these keys; stands there only with signatures
    signature: bytes = b""

    def body(self):
        vouches = len(self.vouches).to_bytes(2, "big")
        if self.vouches:
            vouches += u64(self.since) + b"".join(lp(name) + signature for name, signature in self.vouches)
        return (lp(self.site) + lp(self.leaf) + self.statement + self.witness + self.xwing + self.commitment
                + u64(self.epoch) + u64(self.not_after) + vouches)

    def signable(self, federation):
        return label(b"entry") + lp(federation) + self.body()


@dataclasses.dataclass
class Roster:
    federation: bytes
    study: bytes
    epoch: int
    previous: bytes
    deny_number: int
    deny_hash: bytes
    entries: list

    def encode(self):
        return (label(b"roster") + lp(self.federation) + self.study + u64(self.epoch) + self.previous
                + u64(self.deny_number) + self.deny_hash + u32(len(self.entries))
                + b"".join(entry.body() + entry.signature for entry in self.entries))

    @staticmethod
    def decode(data):
        reader = Reader(data, b"roster")
        roster = Roster(reader.lp(), reader.take(HASH), reader.number(8), reader.take(HASH), reader.number(8),
                        reader.take(HASH), [])
        for _ in range(reader.number(4)):
            entry = Entry(reader.lp(), reader.lp(), reader.take(32), reader.take(32), reader.take(1216),
                          reader.take(HASH), reader.number(8), reader.number(8), [])
            count = reader.number(2)
            entry.since = reader.number(8) if count else 0
            entry.vouches = [(reader.lp(), reader.take(SIGNATURE)) for _ in range(count)]
            names = [name for name, _ in entry.vouches]
            ascending(names)
            require(entry.site not in names or count == 1, "own name among others")
            require(not count or 0 < entry.since <= entry.epoch, "since")
            entry.signature = reader.take(SIGNATURE)
            roster.entries.append(entry)
        reader.end()
        ascending([entry.site for entry in roster.entries])
        return roster


def inputs_hash(blobs):
    """O3's model_hash over {name: bytes}."""
    return sha(label(b"inputs") + u32(len(blobs)) + b"".join(
        lp(name) + u64(len(blobs[name])) + sha(blobs[name]) for name in sorted(blobs)))


def context_hash(roster_hash, model_hash, task_hash, number):
    return sha(LABEL + b"context" + roster_hash + model_hash + task_hash + u64(number))


@dataclasses.dataclass
class Task:
    study: bytes
    kind: int
    attempt: int
    plan: bytes
    sections: list  # (entries, ring bits, value bits)
    n: int
    quorum: int
    threshold: int
    neighbours: int
    window: int
    min_survivors: int
    minimum_honest: int
    colluders: int
    max_lone_differences: int
    required: list
    strict: int
    policy: bytes

    COUNTS = ("n", "quorum", "threshold", "neighbours", "window", "min_survivors", "minimum_honest", "colluders",
              "max_lone_differences")

    def encode(self):
        table = b"".join(u64(entries) + bytes([bits, value_bits]) for entries, bits, value_bits in self.sections)
        return (label(b"task") + self.study + bytes([self.kind]) + u32(self.attempt) + self.plan + lp(table)
                + b"".join(u32(getattr(self, name)) for name in self.COUNTS) + bitmap(self.required, self.n)
                + bytes([self.strict]) + self.policy)

    @staticmethod
    def decode(data):
        reader = Reader(data, b"task")
        start = [reader.take(HASH), reader.number(1), reader.number(4), reader.take(HASH)]
        table = Reader(reader.lp())
        require(len(table.data) % 10 == 0, "section table")
        sections = [(table.number(8), table.number(1), table.number(1)) for _ in range(len(table.data) // 10)]
        counts = [reader.number(4) for _ in Task.COUNTS]
        task = Task(*start, sections, *counts, reader.positions(counts[0]), reader.number(1), reader.take(HASH))
        reader.end()
        require(task.kind in (1, 2, 3, 4) and task.strict in (0, 1), "unknown value")
        require(all(2 <= bits <= 32 or bits == 64 for _, bits, _ in sections), "ring bits")
        return task


# ---- The graph (A3, A4) ----------------------------------------------------------------------------------------------

def permutation(key, n):
    """Positions 1…n in the order of the ring: Fisher–Yates from the end, by rejection."""
    order, source = list(range(1, n + 1)), words(key)
    for i in range(n - 1, 0, -1):
        limit = (1 << 64) // (i + 1) * (i + 1)
        j = next(word for word in source if word < limit) % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def graph_key(draft_hash, reveals):
    return sha(LABEL + b"graph" + draft_hash + b"".join(reveals))


def complete(n):
    return {u: [v for v in range(1, n + 1) if v != u] for u in range(1, n + 1)}


def ring_neighbours(order, k):
    n = len(order)
    return {u: sorted(order[(i + step) % n] for step in range(-(k // 2), k // 2 + 1) if step)
            for i, u in enumerate(order)}


def admissible(members, task, neighbours, order=None):
    """A3 of the review; in the complete graph only the quorum counts."""
    live = set(members)
    require(len(live) >= task.quorum, "below the quorum")
    if order is None:
        return
    half, n = task.neighbours // 2, len(order)
    for first in range(n):
        window = [order[(first + i) % n] for i in range(half)]
        require(len(live.intersection(window)) >= task.window, "thin window")
    for u in live:
        require(len(live.intersection(neighbours[u] + [u])) >= task.threshold, "thin neighbourhood")
