# SPDX-License-Identifier: Apache-2.0
# Field, shares, masks, packing and Merkle trees of the secure sum in Python, sharing no code with Swift.
"""Everything here is a function of its arguments. Random values are drawn by the caller."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secure_bytes import require, sha

P = (1 << 61) - 1
LIMBS, LIMB_BITS, SHARE_BYTES = 5, 52, 40
CHUNK = 1 << 18  # entries


def hkdf(ikm, salt, info, length=32):
    return HKDF(hashes.SHA256(), length, salt, info).derive(ikm)


def stream(key, length, block=0):
    """AES-256-CTR of zeros from a 16-byte block on; the counter block is the 16-byte big-endian block number."""
    cipher = Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(16, "big"))).encryptor()
    return cipher.update(bytes(length))


def words(key):
    """The stream as 8-byte little-endian words, without end."""
    block = 0
    while True:
        data = stream(key, 4096, block)
        block += 256
        for at in range(0, 4096, 8):
            yield int.from_bytes(data[at:at + 8], "little")


# ---- Shares: five limbs of 52 bits over the field of 2^61 - 1 --------------------------------------------------------

def limbs(secret):
    number = int.from_bytes(secret, "little")
    return [number >> LIMB_BITS * j & (1 << LIMB_BITS) - 1 for j in range(LIMBS)]


def coefficients(poly_key, threshold):
    """Degree 1 to threshold - 1 for each limb: words of the stream with three bits cleared, the value p rejected."""
    accepted = (word for word in (word & P for word in words(poly_key)) if word != P)
    return [[next(accepted) for _ in range(threshold - 1)] for _ in range(LIMBS)]


def share(secret, polynomials, position):
    item = b""
    for limb, higher in zip(limbs(secret), polynomials, strict=True):
        value = 0
        for coefficient in reversed([limb] + higher):
            value = (value * position + coefficient) % P
        item += value.to_bytes(8, "little")
    return item


def elements(item):
    """A share's five field elements."""
    require(len(item) == SHARE_BYTES, "length of a share")
    values = [int.from_bytes(item[at:at + 8], "little") for at in range(0, SHARE_BYTES, 8)]
    require(all(value < P for value in values), "element not below p")
    return values


def lagrange_at_zero(positions):
    factors = []
    for x in positions:
        above, below = 1, 1
        for other in positions:
            if other != x:
                above, below = above * other % P, below * (other - x) % P
        factors.append(above * pow(below, -1, P) % P)
    return factors


def rebuild(shares):
    """The secret from exactly as many shares as the threshold: {position: item}."""
    positions = sorted(shares)
    factors, rows = lagrange_at_zero(positions), [elements(shares[x]) for x in positions]
    number = 0
    for j in range(LIMBS):
        limb = sum(factor * row[j] for factor, row in zip(factors, rows)) % P
        require(limb < 1 << (48 if j == LIMBS - 1 else LIMB_BITS), "limb out of range")
        number |= limb << LIMB_BITS * j
    return number.to_bytes(32, "little")


# ---- Vectors: sections of (entries, ring bits, value bits) -----------------------------------------------------------

def width(bits):
    """Bytes of mask stream per entry; b is 2 to 32, or 64."""
    return 4 if bits <= 32 else 8


def starts(sections):
    """Where each section begins in the mask stream, in bytes: a multiple of 16; and the stream's length."""
    offsets, end = [], 0
    for entries, bits, _ in sections:
        offsets.append(-(-end // 16) * 16)
        end = offsets[-1] + entries * width(bits)
    return offsets, end


def mask(key, sections):
    """One ring element per entry, section by section."""
    offsets, end = starts(sections)
    data, vector = stream(key, end), []
    for offset, (entries, bits, _) in zip(offsets, sections):
        size, low = width(bits), (1 << bits) - 1
        vector.append([int.from_bytes(data[at:at + size], "little") & low
                       for at in range(offset, offset + entries * size, size)])
    return vector


def mask_key(seed, context, kind):
    return hkdf(seed, context, b"fl/secagg/v1 " + kind)


def add(vector, other, sections, sign=1):
    return [[(a + sign * b) % (1 << bits) for a, b in zip(left, right, strict=True)]
            for left, right, (_, bits, _) in zip(vector, other, sections, strict=True)]


def encoded(values, sections):
    """Signed integers as ring elements: two's complement to 32 bits, an offset of 2^(value bits - 1) above."""
    return [[(value + (1 << value_bits - 1) if bits > 32 else value) % (1 << bits) for value in row]
            for row, (_, bits, value_bits) in zip(values, sections, strict=True)]


def decoded(total, sections, summands):
    """Signed sums of `summands` encoded vectors."""
    rows = []
    for row, (_, bits, value_bits) in zip(total, sections, strict=True):
        if bits > 32:
            rows.append([value - (summands << value_bits - 1) for value in row])
        else:
            rows.append([value - (1 << bits) if value >> bits - 1 else value for value in row])
    return rows


def packed(row, bits):
    """Little-endian bit order: entry i is bits [i·b, (i+1)·b), least significant first; zero bits to a byte."""
    number = 0
    for at in range(0, len(row), 256):
        part = sum(value << bits * i for i, value in enumerate(row[at:at + 256]))
        number |= part << bits * at
    return number.to_bytes(-(-len(row) * bits // 8), "little")


def unpacked(data, entries, bits):
    require(len(data) == -(-entries * bits // 8), "length of a chunk")
    number = int.from_bytes(data, "little")
    require(number >> entries * bits == 0, "padding bits set")
    # Groups of 256 entries keep the shifts short; 256·bits is a whole number of bytes.
    row = []
    for at in range(0, entries, 256):
        part = int.from_bytes(data[at * bits // 8:(at + 256) * bits // 8], "little")
        row += [part >> bits * i & (1 << bits) - 1 for i in range(min(256, entries - at))]
    return row


def chunk_sizes(sections):
    """Entries and ring bits of each chunk: 2^18 entries of one section, the last of a section may be shorter."""
    return [(min(CHUNK, entries - first), bits)
            for entries, bits, _ in sections for first in range(0, entries, CHUNK)]


def chunks(vector, sections):
    return [packed(row[first:first + CHUNK], bits)
            for row, (_, bits, _) in zip(vector, sections) for first in range(0, len(row), CHUNK)]


def vector_of(parts, sections):
    sizes = chunk_sizes(sections)
    require(len(parts) == len(sizes), "number of chunks")
    flat = [unpacked(part, entries, bits) for part, (entries, bits) in zip(parts, sizes)]
    vector = []
    for entries, _, _ in sections:
        row = []
        while len(row) < entries:
            row += flat.pop(0)
        vector.append(row)
    return vector


# ---- Merkle trees of RFC 6962 ----------------------------------------------------------------------------------------

def leaf(data):
    return sha(b"\x00" + data)


def split(count):
    return 1 << (count - 1).bit_length() - 1


def root(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    middle = split(len(leaves))
    return sha(b"\x01" + root(leaves[:middle]) + root(leaves[middle:]))


def path(leaves, index):
    if len(leaves) < 2:
        return []
    middle = split(len(leaves))
    if index < middle:
        return path(leaves[:middle], index) + [root(leaves[middle:])]
    return path(leaves[middle:], index - middle) + [root(leaves[:middle])]


def root_of_path(node, index, count, siblings):
    """The root that a leaf's hash and its path lead to. The path's length must be the tree's."""
    turns = []
    while count > 1:
        middle = split(count)
        turns.append(index >= middle)
        index, count = (index - middle, count - middle) if index >= middle else (index, middle)
    require(len(turns) == len(siblings), "length of a path")
    for right, sibling in zip(reversed(turns), siblings):
        node = sha(b"\x01" + (sibling + node if right else node + sibling))
    return node
