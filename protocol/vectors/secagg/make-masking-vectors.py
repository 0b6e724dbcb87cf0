#!/usr/bin/env python3
"""Writes masking.json: one attempt of four sites, from the roots of their deals to masked vectors, chunks and the sum.

Whole numbers, hashlib and hmac; AES comes from the package `cryptography`. Nothing is taken from the product.
"""
import hashlib
import hmac
import json
import pathlib
import struct

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

FOLDER = pathlib.Path(__file__).resolve().parent
P = 2**61 - 1
SITES, THRESHOLD, LOST = [1, 2, 3, 4], 3, 3
CONTEXT = hashlib.sha256(b"context of the masking vectors").digest()
# name, elements, bits of an element, bytes of a mask word
SECTIONS = [("values", 2**18 + 5, 18, 4), ("wide", 7, 25, 4), ("counts", 5, 64, 8), ("sums", 9, 32, 4),
            ("check lanes", 4, 32, 4)]
CHUNK = 2**18


def sha(data):
    return hashlib.sha256(data).digest()


def hkdf(ikm, info):
    key = hmac.new(CONTEXT, ikm, hashlib.sha256).digest()
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()


def keystream(key, count):
    return Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(count))


def commitment(secret):
    return sha(b"fl/secagg/v1 commit" + CONTEXT + secret)


def root_of(site):
    return sha(b"root of site %d in the masking vectors" % site)


def dealt(site):
    """index -> secret: 0 is the self seed, then one for each higher site"""
    secrets = [hkdf(root_of(site), b"fl/secagg/v1 deal self")]
    for other in SITES:
        if other > site:
            secrets.append(hkdf(root_of(site), b"fl/secagg/v1 deal pair" + struct.pack(">I", other)))
    return secrets


def polynomial_key(site, index):
    return hkdf(root_of(site), b"fl/secagg/v1 deal poly" + struct.pack(">I", index))


def coefficients(key, threshold):
    """limb -> coefficients of degree 1 to t - 1; the words of the stream in this order"""
    words = iter(w & P for (w,) in struct.iter_unpack("<Q", keystream(key, 8 * 10 * threshold)))
    words = (w for w in words if w != P)
    return [[next(words) for _ in range(threshold - 1)] for _ in range(5)]


def share(key, secret, position, threshold=THRESHOLD):
    number, item = int.from_bytes(secret, "little"), b""
    for limb, higher in enumerate(coefficients(key, threshold)):
        value = number >> 52 * limb & (2**52 - 1)
        for degree, coefficient in enumerate(higher, 1):
            value += coefficient * position**degree
        item += struct.pack("<Q", value % P)
    return item


def plain(site, name, count):
    if name == "values":
        return [(40503 * i + 9973 * site) % 65535 - 32767 for i in range(count)]
    if name == "wide":
        return [(1000003 * i + 77 * site) % 2**22 - 2**21 for i in range(count)]
    if name == "counts":
        return [(-1) ** i * (i + 1) * site * (2**40 + 1) for i in range(count)]
    if name == "sums":
        return [123456 * i * site - 2**27 for i in range(count)]
    return [1] * count


def masks(site):
    """sign and key of each mask in the vector of a site"""
    found = [(1, hkdf(dealt(site)[0], b"fl/secagg/v1 self"))]
    for other in SITES:
        if other != site:
            low, high = min(site, other), max(site, other)
            seed = dealt(low)[high - low]
            found.append((1 if site == low else -1, hkdf(seed, b"fl/secagg/v1 pair")))
    return found


def stream_bytes():
    total = 0
    for _, count, _, width in SECTIONS:
        total += (count * width + 15) // 16 * 16
    return total


def masked(site):
    streams = [(sign, keystream(key, stream_bytes())) for sign, key in masks(site)]
    start, sections = 0, []
    for name, count, bits, width in SECTIONS:
        numbers = plain(site, name, count)
        for sign, stream in streams:
            part = stream[start:start + count * width]
            for i, (word,) in enumerate(struct.iter_unpack("<I" if width == 4 else "<Q", part)):
                numbers[i] += sign * word
        sections.append([number % 2**bits for number in numbers])
        start += (count * width + 15) // 16 * 16
    return sections


def pack(numbers, bits):
    total = bytearray()
    for start in range(0, len(numbers), 8):
        group = numbers[start:start + 8]
        joined = sum(number << bits * i for i, number in enumerate(group))
        total += joined.to_bytes((len(group) * bits + 7) // 8, "little")
    return bytes(total)


def chunks(sections):
    return [pack(numbers[start:start + CHUNK], bits)
            for numbers, (_, _, bits, _) in zip(sections, SECTIONS) for start in range(0, len(numbers), CHUNK)]


def merkle(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha(b"\x01" + merkle(leaves[:split]) + merkle(leaves[split:]))


def main():
    sites, total = {}, [[0] * count for _, count, _, _ in SECTIONS]
    for site in SITES:
        sections = masked(site)
        parts = chunks(sections)
        leaves = [sha(b"\x00" + part) for part in parts]
        sites[str(site)] = {
            "root": root_of(site).hex(),
            "commitments": [commitment(secret).hex() for secret in dealt(site)],
            "shares": {str(holder): [share(polynomial_key(site, index), secret, holder).hex()
                                     for index, secret in enumerate(dealt(site))] for holder in SITES},
            "chunk_bytes": [len(part) for part in parts],
            "leaves": [leaf.hex() for leaf in leaves],
            "merkle_root": merkle(leaves).hex(),
            "small_chunks": [part.hex() for part in parts[1:]],
        }
        if site != LOST:
            for sums, (name, count, _, _) in zip(total, SECTIONS):
                for i, number in enumerate(plain(site, name, count)):
                    sums[i] += number
    reduced = [[number % 2**bits for number in numbers] for numbers, (_, _, bits, _) in zip(total, SECTIONS)]
    long_secret, long_key = sha(b"secret of the long polynomials"), sha(b"key of the long polynomials")
    contents = {
        "what": "one attempt of four sites on the complete graph: what each derives from its root and deals, its masked "
                "vector in chunks over all four, and the sum without site 3, which dealt and was lost",
        "made_by": "make-masking-vectors.py",
        "plain": "element i of site u: values (40503 i + 9973 u) mod 65535 - 32767; wide (1000003 i + 77 u) mod 2^22 - "
                 "2^21; counts (-1)^i (i + 1) u (2^40 + 1); sums 123456 i u - 2^27; check lanes 1",
        "context": CONTEXT.hex(),
        "threshold": THRESHOLD,
        "lost": LOST,
        "sections": [{"name": name, "count": count, "bits": bits} for name, count, bits, _ in SECTIONS],
        "sites": sites,
        "long_polynomials": {
            "secret": long_secret.hex(), "key": long_key.hex(), "threshold": 100,
            "shares": {str(holder): share(long_key, long_secret, holder, 100).hex() for holder in [1, 2, 67, 10000]},
        },
        "sum_sha256": sha(b"".join(chunks(reduced))).hex(),
        "sum_small_chunks": [part.hex() for part in chunks(reduced)[1:]],
    }
    (FOLDER / "masking.json").write_text(json.dumps(contents, indent=1) + "\n")


main()
