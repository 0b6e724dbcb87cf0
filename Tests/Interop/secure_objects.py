# SPDX-License-Identifier: Apache-2.0
# Objects O4 to O12 of the secure sum in Python, byte for byte: each is made and strictly read here.
"""O4 to O12 as the design numbers them. Who may sign, and what else must hold, is checked in `secure_round`."""

import dataclasses
import hashlib

from secure_arithmetic import SHARE_BYTES, elements, hkdf, leaf, root
from secure_bytes import HASH, LABEL, SIGNATURE, Reader, ascending, bitmap, label, require, sha, u32, u64


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
    """What a holder may release, as (dealer, index): self masks in U, and pair masks with exactly one end in U."""
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
