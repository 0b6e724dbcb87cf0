#!/usr/bin/env python3
"""Writes parameters.json: sizes of sparse graphs from whole-number tails, permutations, neighbours, admissible sets.

Nothing here is rounded before the last line: tails are quotients of binomial sums, compared with powers of two as whole
numbers. AES comes from the package `cryptography`.
"""
import hashlib
import json
import math
import pathlib
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

FOLDER = pathlib.Path(__file__).resolve().parent
SITES = [101, 128, 150, 200, 300, 400, 500, 1000, 2000, 5000]
ASSUMED = [(10, 5), (10, 10), (20, 5), (20, 10), (33, 10)]


def tails(population, marked, draws):
    """first value x, list of sums over X >= x of C(B, x) C(N - B, k - x), total C(N, k)"""
    first, last = max(0, draws + marked - population), min(marked, draws)
    term = math.comb(marked, first) * math.comb(population - marked, draws - first)
    terms = []
    for x in range(first, last + 1):
        terms.append(term)
        up = (marked - x) * (draws - x)
        term = term * up // ((x + 1) * (population - marked - draws + x + 1)) if up else 0
    sums = [0]
    for value in reversed(terms):
        sums.append(sums[-1] + value)
    sums.reverse()
    return first, sums, sums[0]


def at_least(population, marked, draws, x):
    first, sums, total = tails(population, marked, draws)
    return (total if x <= first else sums[x - first] if x - first < len(sums) else 0), total


def smallest(population, marked, draws, sites, bits):
    """smallest x with sites * P[X >= x] <= 2^-bits"""
    first, sums, total = tails(population, marked, draws)
    return next(first + i for i, value in enumerate(sums) if sites * value << bits <= total)


def log2(numerator, denominator):
    if numerator == 0:
        return None
    shift = 2000
    value = (numerator << shift) // denominator
    bits = max(0, value.bit_length() - 1000)
    return round(math.log2(value >> bits) + bits - shift, 9)


def search(sites, corrupt, lost):
    for k in range(2, sites, 2):
        t = max(2, smallest(sites - 1, corrupt, k, sites, 81))
        m = max(1, smallest(sites, corrupt, k // 2, sites, 81))
        window, window_total = at_least(sites, lost, k // 2, k // 2 - m + 1)
        nearby, nearby_total = at_least(sites - 1, lost, k, k - t + 2)
        failing = sites * (window * nearby_total + nearby * window_total)
        total = window_total * nearby_total
        if failing << 10 <= total:
            row = {"sites": sites, "corrupt": corrupt, "lost": lost, "neighbours": k, "threshold": t}
            row["window_minimum"] = m
            above, whole = at_least(sites - 1, corrupt, k, t)
            row["log2_corrupt_nearby"] = log2(sites * above, whole)
            above, whole = at_least(sites, corrupt, k // 2, m)
            row["log2_corrupt_in_window"] = log2(sites * above, whole)
            row["log2_lost"] = log2(failing, total)
            return row
    raise ValueError("no graph")


def permutation(key, count):
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    order = list(range(1, count + 1))
    for i in range(count - 1, 0, -1):
        while True:
            word = int.from_bytes(stream.update(bytes(8)), "little")
            if word < 2**64 - 2**64 % (i + 1):
                break
        j = word % (i + 1)
        order[i], order[j] = order[j], order[i]
    return order


def neighbours(order, k, position):
    place = order.index(position)
    return sorted(order[(place + d) % len(order)] for d in range(-k // 2, k // 2 + 1) if d != 0)


def bitmap(members, count):
    return sum(1 << x - 1 for x in members).to_bytes((count + 7) // 8, "little").hex()


def judge(order, k, t, m, members):
    count = len(order)
    if len(members) < 2 * count // 3 + 1:
        return "tooFew"
    for start in range(count):
        if sum(order[(start + d) % count] in members for d in range(k // 2)) < m:
            return "thinWindow"
    for u in members:
        if 1 + sum(v in members for v in neighbours(order, k, u)) < t:
            return "thinNeighbourhood"
    return "admissible"


def graph(count, numbers, label):
    key = hashlib.sha256(label.encode()).digest()
    k, t, m = numbers
    order = permutation(key, count)
    everybody = set(order)
    quorum = 2 * count // 3 + 1
    victim = order[count // 2]
    late = neighbours(order, k, victim)
    sets = {
        "all": everybody,
        "quorum": set(range(1, quorum + 1)),
        "one too few": set(range(1, quorum)),
        "arc late": everybody - set(order[: k // 2 - m + 1]),
        "longest arc late": everybody - set(order[: k // 2 - m]),
        "neighbours late": everybody - set(late[: count - quorum]),
        "every third late": everybody - set(order[: 3 * (count - quorum) : 3]),
    }
    return {
        "key": key.hex(),
        "sites": count,
        "neighbours": k,
        "threshold": t,
        "window_minimum": m,
        "order": order,
        "neighbours_of": {str(x): neighbours(order, k, x) for x in (1, victim, count)},
        "sets": [
            {"name": name, "bitmap": bitmap(s, count), "verdict": judge(order, k, t, m, s)} for name, s in sets.items()
        ],
    }


def main():
    table = [search(n, g * n // 100, l * n // 100) for n in SITES for g, l in ASSUMED]
    picked = [(101, 20, 60, 20), (499, 100, 144, 70), (500, 50, 72, 20), (9999, 2000, 194, 108), (99, 0, 10, 1), (7, 7, 3, 3)]
    rows = []
    for n, b, k, x in picked:
        above, whole = at_least(n, b, k, x)
        rows.append({"population": n, "marked": b, "draws": k, "at_least": x, "log2": log2(above, whole)})
    contents = {
        "what": "sparse graphs of secure sums: sizes, tails, permutations of a key, admissible sets; see secure-sum.md",
        "python": sys.version.split()[0],
        "table": table,
        "tails": rows,
        "graphs": [
            graph(101, (60, 21, 21), "parameters 101"),
            # Small losses: here a neighbourhood becomes thin before a window does.
            graph(101, (20, 20, 1), "parameters thin"),
            graph(150, (86, 31, 31), "parameters 150"),
        ],
    }
    text = json.dumps(contents, indent=1)
    # Lists of numbers on one line each.
    lines, row = [], []
    for line in text.split("\n"):
        if line.strip().rstrip(",").isdigit():
            row.append(line.strip())
        elif row:
            lines[-1] += " ".join(row) + line.strip()
            row = []
        else:
            lines.append(line)
    (FOLDER / "parameters.json").write_text("\n".join(lines) + "\n")


main()
