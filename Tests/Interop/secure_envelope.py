# SPDX-License-Identifier: Apache-2.0
# Envelopes of the secure sum in Python: X-Wing (draft-connolly-cfrg-xwing-kem) in HPKE base mode (RFC 9180).
"""The public key is 1,216 bytes, an encapsulation 1,120. An envelope is the encapsulation and then the ciphertext."""

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from secure_bytes import Refused, require

XWING_LABEL = b"\\.//^\\"
SUITE = b"HPKE" + bytes.fromhex("647a00010002")


class XWing:
    """A key pair from its seed of 32 bytes. The public key is 1,216 bytes, an encapsulation 1,120."""

    def __init__(self, seed):
        expanded = hashlib.shake_256(seed).digest(96)
        self.lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self.curve = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
        self.public = self.lattice.public_key().public_bytes_raw() + self.curve.public_key().public_bytes_raw()

    def decapsulated(self, sealed):
        require(len(sealed) == 1120, "length of an encapsulation")
        first = self.lattice.decapsulate(sealed[:1088])
        second = self.curve.exchange(x25519.X25519PublicKey.from_public_bytes(sealed[1088:]))
        return hashlib.sha3_256(first + second + sealed[1088:] + self.public[1184:] + XWING_LABEL).digest()


def encapsulated(public, lattice=None, curve=None):
    """(shared secret, encapsulation). Test vectors give the lattice part (secret, ciphertext) and the curve key."""
    curve = curve or x25519.X25519PrivateKey.generate()
    first, sealed = lattice or mlkem.MLKEM768PublicKey.from_public_bytes(public[:1184]).encapsulate()
    second = curve.exchange(x25519.X25519PublicKey.from_public_bytes(public[1184:]))
    point = curve.public_key().public_bytes_raw()
    return hashlib.sha3_256(first + second + point + public[1184:] + XWING_LABEL).digest(), sealed + point


def check_public(public):
    """Refuses a key to which nothing could be sealed: each of its holder's neighbours would stop at it."""
    try:
        encapsulated(public)
    except ValueError:
        raise Refused("X-Wing key") from None


def extract(salt, label, ikm):
    return hmac.digest(salt, b"HPKE-v1" + SUITE + label + ikm, "sha256")


def expand(key, label, info, length):
    # One block of HKDF-Expand is enough: no length here is above 32.
    text = length.to_bytes(2, "big") + b"HPKE-v1" + SUITE + label + info
    return hmac.digest(key, text + b"\x01", "sha256")[:length]


def schedule(shared, info):
    """Key and nonce of the first message in base mode."""
    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    return expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)


def sealed(public, info, aad, plaintext, **fixed):
    shared, encapsulation = encapsulated(public, **fixed)
    key, nonce = schedule(shared, info)
    return encapsulation + AESGCM(key).encrypt(nonce, plaintext, aad)


def opened(key_pair, info, aad, envelope):
    try:
        key, nonce = schedule(key_pair.decapsulated(envelope[:1120]), info)
        return AESGCM(key).decrypt(nonce, envelope[1120:], aad)
    except (InvalidTag, ValueError):  # ValueError: a point of low order, or no room for a tag
        raise Refused("envelope does not open") from None
