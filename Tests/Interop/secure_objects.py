# SPDX-License-Identifier: Apache-2.0
# The objects O1 to O12 of the secure sum, byte for byte: each is made and strictly read here, sharing no code with Swift.
"""A reader refuses trailing bytes, wrong counts, unsorted or repeated positions, spare bits and labels of others."""

import dataclasses
import hashlib
import itertools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from secure_arithmetic import SHARE_BYTES, Refused, elements, hkdf, leaf, lp, require, root, sha, u32, u64, words

LABEL = b"fl/secagg/v1 "
HASH, SIGNATURE = 32, 64
TRAINING, STATISTICS, EVALUATION, CONTROLS = 1, 2, 3, 4


def label(name):
    return LABEL + name + b"\n"


def verified(key, signature, body):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, body)
    except InvalidSignature:
        raise Refused("signature") from None


class Reader:
    def __init__(self, data, name=None):
        self.data, self.at = data, 0
        if name:
            require(self.take(len(label(name))) == label(name), "label")

    def take(self, length):
        require(len(self.data) - self.at >= length, "too short")
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self, length):
        return int.from_bytes(self.take(length), "big")

    def lp(self):
        return self.take(self.number(2))

    def hashes(self, count):
        return [self.take(HASH) for _ in range(count)]

    def positions(self, n):
        """A bitmap over the roster."""
        data = self.take(-(-n // 8))
        members = [x for x in range(1, n + 1) if data[(x - 1) // 8] >> (x - 1) % 8 & 1]
        require(bitmap(members, n) == data, "spare bits set")
        return members

    def end(self):
        require(self.at == len(self.data), "trailing bytes")

    def signed(self):
        """(the bytes before a signature that ends the object, the signature)."""
        body = self.data[:self.at]
        signature = self.take(SIGNATURE)
        self.end()
        return body, signature


def bitmap(members, n):
    data = bytearray(-(-n // 8))
    for x in members:
        data[(x - 1) // 8] |= 1 << (x - 1) % 8
    return bytes(data)


def ascending(values):
    require(all(a < b for a, b in itertools.pairwise(values)), "unsorted or repeated")


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
    vouches: list  # (position in the previous roster or 0 for the site's own old key, signature)
    signature: bytes = b""

    def body(self):
        vouches = len(self.vouches).to_bytes(2, "big") + b"".join(u32(x) + s for x, s in self.vouches)
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
            entry.vouches = [(reader.number(4), reader.take(SIGNATURE)) for _ in range(reader.number(2))]
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
        require(all(2 <= bits <= 64 for _, bits, _ in sections), "ring bits")
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


# ---- O4 header, O5 envelope ------------------------------------------------------------------------------------------

def commitment(context, secret):
    return sha(LABEL + b"commit" + context + secret)


def dealt(rho, context, kind, index=None):
    return hkdf(rho, context, LABEL + b"deal " + kind + (b"" if index is None else u32(index)))


def above(u, neighbours):
    return [v for v in neighbours if v > u]


def holders(u, neighbours):
    return sorted(neighbours + [u])


def share_leaf(context, dealer, holder, index, item):
    return leaf(label(b"share") + context + u32(dealer) + u32(holder) + u32(index) + item)


def share_root(context, dealer, holder, items):
    return root([share_leaf(context, dealer, holder, index, item) for index, item in enumerate(items)])


def envelope_info(context):
    return LABEL + b"env" + context


def plaintext(dealer, holder, items, seeds):
    return b"".join(items) + (seeds[holder] if dealer < holder else b"")


def read_plaintext(data, dealer, holder, neighbours):
    """(share items, the pair's seed or None). Elements below p are checked here."""
    reader = Reader(data)
    items = [reader.take(SHARE_BYTES) for _ in range(1 + len(above(dealer, neighbours)))]
    for item in items:
        elements(item)
    seed = reader.take(32) if dealer < holder else None
    reader.end()
    return items, seed


@dataclasses.dataclass
class Header:
    context: bytes
    dealer: int
    secrets: list        # H(b_u), then H(s_uw) for w above u, ascending
    envelopes: dict      # SHA-256 of the envelope per neighbour
    share_roots: dict    # per holder, the dealer too
    body: bytes = b""
    signature: bytes = b""

    def encode(self):
        return (label(b"header") + self.context + u32(self.dealer) + u32(len(self.envelopes)) + b"".join(self.secrets)
                + b"".join(self.envelopes[w] for w in sorted(self.envelopes))
                + b"".join(self.share_roots[w] for w in sorted(self.share_roots)))

    @staticmethod
    def decode(data, neighbours_of):
        reader = Reader(data, b"header")
        context, dealer, count = reader.take(HASH), reader.number(4), reader.number(4)
        require(dealer in neighbours_of, "position")
        neighbours = neighbours_of[dealer]
        require(count == len(neighbours), "count")
        header = Header(context, dealer, reader.hashes(1 + len(above(dealer, neighbours))),
                        dict(zip(neighbours, reader.hashes(count))),
                        dict(zip(holders(dealer, neighbours), reader.hashes(count + 1))))
        header.body, header.signature = reader.signed()
        return header


# ---- O6 ack, O7 manifest, O8 input -----------------------------------------------------------------------------------

# Why a dealer was not accepted. Codes are ours: the design names none.
CODES = {"signature": 1, "context": 2, "malformed": 3, "envelope hash": 4, "envelope does not open": 5,
         "element not below p": 6, "share root": 7, "pair seed": 8}


@dataclasses.dataclass
class Ack:
    context: bytes
    site: int
    accepted: list
    refused: list  # (dealer, code, SHA-256 of the header with signature)
    body: bytes = b""
    signature: bytes = b""

    def encode(self, n):
        return (label(b"ack") + self.context + u32(self.site) + bitmap(self.accepted, n)
                + len(self.refused).to_bytes(2, "big")
                + b"".join(u32(dealer) + bytes([code]) + digest for dealer, code, digest in self.refused))

    @staticmethod
    def decode(data, n):
        reader = Reader(data, b"ack")
        ack = Ack(reader.take(HASH), reader.number(4), reader.positions(n), [])
        ack.refused = [(reader.number(4), reader.number(1), reader.take(HASH)) for _ in range(reader.number(2))]
        ascending([dealer for dealer, _, _ in ack.refused])
        require(not set(ack.accepted) & {dealer for dealer, _, _ in ack.refused}, "accepted and refused")
        require(all(1 <= dealer <= n for dealer, _, _ in ack.refused), "position")
        ack.body, ack.signature = reader.signed()
        return ack


@dataclasses.dataclass
class Manifest:
    context: bytes
    headers: dict  # position: SHA-256 of the header with signature; the keys are V1
    body: bytes = b""
    signature: bytes = b""

    def encode(self, n):
        members = sorted(self.headers)
        return (label(b"manifest") + self.context + bitmap(members, n) + b"".join(self.headers[x] for x in members))

    @staticmethod
    def decode(data, n):
        reader = Reader(data, b"manifest")
        context, members = reader.take(HASH), reader.positions(n)
        manifest = Manifest(context, dict(zip(members, reader.hashes(len(members)))))
        manifest.body, manifest.signature = reader.signed()
        return manifest


@dataclasses.dataclass
class Input:
    context: bytes
    manifest: bytes
    site: int
    entries: int
    root: bytes
    body: bytes = b""
    signature: bytes = b""

    def encode(self):
        return label(b"input") + self.context + self.manifest + u32(self.site) + u64(self.entries) + self.root

    @staticmethod
    def decode(data):
        reader = Reader(data, b"input")
        made = Input(reader.take(HASH), reader.take(HASH), reader.number(4), reader.number(8), reader.take(HASH))
        made.body, made.signature = reader.signed()
        return made


def receipt(context, statement):
    return label(b"receipt") + context + sha(statement)


# ---- O9 set, proposal, certificate; O10 void -------------------------------------------------------------------------

@dataclasses.dataclass
class SurvivorSet:
    context: bytes
    manifest: bytes
    members: list
    inputs: bytes  # SHA-256 of the members' input statements with signatures, ascending

    def encode(self, n):
        return label(b"set") + self.context + self.manifest + bitmap(self.members, n) + self.inputs

    @staticmethod
    def read(reader, n):
        return SurvivorSet(reader.take(HASH), reader.take(HASH), reader.positions(n), reader.take(HASH))


def proposable(body):
    return label(b"propose") + sha(body)


def read_proposal(data, n):
    """(the set, its bytes, the aggregator's signature)."""
    reader = Reader(data, b"set")
    made = SurvivorSet.read(reader, n)
    return made, *reader.signed()


def signatures(signed):
    """count and (position, signature) in ascending order, from {position: signature}."""
    return u32(len(signed)) + b"".join(u32(x) + signed[x] for x in sorted(signed))


def read_signatures(reader, n):
    pairs = [(reader.number(4), reader.take(SIGNATURE)) for _ in range(reader.number(4))]
    ascending([x for x, _ in pairs])
    require(all(1 <= x <= n for x, _ in pairs), "position")
    reader.end()
    return dict(pairs)


def read_certificate(data, n, quorum):
    """(the set, its bytes, {position: signature}); signers are members of the set and at least the quorum."""
    reader = Reader(data, b"set")
    made = SurvivorSet.read(reader, n)
    body = data[:reader.at]
    signed = read_signatures(reader, n)
    require(set(signed) <= set(made.members), "signer outside U")
    require(len(signed) >= quorum, "too few signatures")
    return made, body, signed


def void(context):
    return label(b"void") + context


def read_void_certificate(data, n, quorum):
    """(the context, {position: signature})."""
    reader = Reader(data, b"void")
    context = reader.take(HASH)
    signed = read_signatures(reader, n)
    require(len(signed) >= quorum, "too few signatures")
    return context, signed


# ---- O11 shares, O12 result ------------------------------------------------------------------------------------------

@dataclasses.dataclass
class Shares:
    context: bytes
    set_hash: bytes
    holder: int
    items: list  # (dealer, index, share, path), ascending by dealer and index
    body: bytes = b""
    signature: bytes = b""

    def encode(self):
        return (label(b"shares") + self.context + self.set_hash + u32(self.holder) + u32(len(self.items)) + b"".join(
            u32(dealer) + u32(index) + item + bytes([len(path)]) + b"".join(path)
            for dealer, index, item, path in self.items))

    @staticmethod
    def decode(data):
        reader = Reader(data, b"shares")
        made = Shares(reader.take(HASH), reader.take(HASH), reader.number(4), [])
        for _ in range(reader.number(4)):
            made.items.append((reader.number(4), reader.number(4), reader.take(SHARE_BYTES),
                               reader.hashes(reader.number(1))))
            elements(made.items[-1][2])
        ascending([item[:2] for item in made.items])
        made.body, made.signature = reader.signed()
        return made


def released(holder, v1, survivors, neighbours_of):
    """What a holder may release, as (dealer, index): own masks of members of U, pair masks with exactly one end in U."""
    wanted = []
    for u in holders(holder, neighbours_of[holder]):
        if u not in v1:
            continue
        if u in survivors:
            wanted.append((u, 0))
        wanted += [(u, index) for index, v in enumerate(above(u, neighbours_of[u]), 1)
                   if v in v1 and (u in survivors) != (v in survivors)]
    return wanted


@dataclasses.dataclass
class Result:
    context: bytes
    set_hash: bytes
    sum_hash: bytes
    model_hash: bytes  # SHA-256 of the next blob `model`, or zeros
    body: bytes = b""
    signature: bytes = b""

    def encode(self):
        return label(b"result") + self.context + self.set_hash + self.sum_hash + self.model_hash

    @staticmethod
    def decode(data):
        reader = Reader(data, b"result")
        made = Result(*reader.hashes(4))
        made.body, made.signature = reader.signed()
        return made


def sum_hash(parts):
    """SHA-256 of the sum, written as an upload is: every section's ring elements packed, chunk after chunk."""
    return hashlib.sha256(b"".join(parts)).digest()
