# SPDX-License-Identifier: Apache-2.0
# ML-KEM-768 encapsulation from given randomness (FIPS 203, algorithms 14 and 17), so that vectors come out the same.
"""For test vectors only: slow and not constant-time. Its output is checked by a real ML-KEM that decapsulates it."""

import hashlib

Q = 3329


def reversed_bits(value):
    return int(f"{value:07b}"[::-1], 2)


ZETAS = [pow(17, reversed_bits(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * reversed_bits(i) + 1, Q) for i in range(128)]


def numbers(data, bits):
    whole = int.from_bytes(data, "little")
    return [whole >> bits * i & (1 << bits) - 1 for i in range(len(data) * 8 // bits)]


def encode(polynomial, bits):
    return sum(value << bits * i for i, value in enumerate(polynomial)).to_bytes(32 * bits, "little")


def compressed(polynomial, bits):
    # Rounds half up: floor((2·2^bits·x + q) / 2q) modulo 2^bits.
    return [((value << bits + 1) + Q) // (2 * Q) % (1 << bits) for value in polynomial]


def transform(values):
    values, index, length = list(values), 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            for j in range(start, start + length):
                product = ZETAS[index] * values[j + length] % Q
                values[j], values[j + length] = (values[j] + product) % Q, (values[j] - product) % Q
            index += 1
        length //= 2
    return values


def inverse(values):
    values, index, length = list(values), 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            for j in range(start, start + length):
                first, second = values[j], values[j + length]
                values[j], values[j + length] = (first + second) % Q, ZETAS[index] * (second - first) % Q
            index -= 1
        length *= 2
    return [value * 3303 % Q for value in values]


def product(a, b):
    result = []
    for i, gamma in enumerate(GAMMAS):
        a0, a1, b0, b1 = a[2 * i], a[2 * i + 1], b[2 * i], b[2 * i + 1]
        result += [(a0 * b0 + a1 * b1 * gamma) % Q, (a0 * b1 + a1 * b0) % Q]
    return result


def total(*polynomials):
    return [sum(values) % Q for values in zip(*polynomials)]


def uniform(seed):
    values = [value for value in numbers(hashlib.shake_128(seed).digest(1536), 12) if value < Q]
    assert len(values) >= 256
    return values[:256]


def noise(seed, counter):
    bits = numbers(hashlib.shake_256(seed + bytes([counter])).digest(128), 1)
    return [(bits[4 * i] + bits[4 * i + 1] - bits[4 * i + 2] - bits[4 * i + 3]) % Q for i in range(256)]


def encapsulate(public, message):
    """(shared secret of 32 bytes, ciphertext of 1,088 bytes) from a public key of 1,184 and 32 random bytes."""
    digest = hashlib.sha3_512(message + hashlib.sha3_256(public).digest()).digest()
    shared, seed = digest[:32], digest[32:]
    keys = [numbers(public[384 * i:384 * (i + 1)], 12) for i in range(3)]
    y = [transform(noise(seed, i)) for i in range(3)]
    ciphertext = b""
    for i in range(3):
        row = [product(uniform(public[1152:] + bytes([i, j])), y[j]) for j in range(3)]
        ciphertext += encode(compressed(total(inverse(total(*row)), noise(seed, 3 + i)), 10), 10)
    v = total(inverse(total(*(product(keys[j], y[j]) for j in range(3)))), noise(seed, 6),
              [bit * 1665 for bit in numbers(message, 1)])
    return shared, ciphertext + encode(compressed(v, 4), 4)
