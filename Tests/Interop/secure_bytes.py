# SPDX-License-Identifier: Apache-2.0
# Bytes, labels, bitmaps and strict reading for the objects of the secure sum in Python.
"""A reader refuses trailing bytes, unsorted or repeated positions, spare bits and labels of others."""

import hashlib
import itertools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LABEL = b"fl/secagg/v1 "
HASH, SIGNATURE = 32, 64


class Refused(Exception):
    """An object, or a step, that the protocol does not allow. Its text is a constant word of ours, never a peer's."""


def require(condition, word):
    if not condition:
        raise Refused(word)


def sha(data):
    return hashlib.sha256(data).digest()


def u32(value):
    return value.to_bytes(4, "big")


def u64(value):
    return value.to_bytes(8, "big")


def lp(data):
    return len(data).to_bytes(2, "big") + data


def label(name):
    return LABEL + name + b"\n"


def verified(key, signature, body):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, body)
    except (InvalidSignature, ValueError):
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
