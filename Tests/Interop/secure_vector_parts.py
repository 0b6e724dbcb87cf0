# SPDX-License-Identifier: Apache-2.0
# Parts of the secure sum's vectors: fixed bytes, one dealing, graphs, packing and 64-bit sections.
"""Used by make_secure_vectors.py. Nothing here draws randomness."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import secure_arithmetic as arithmetic
import secure_envelope as envelopes
import secure_objects as objects
import secure_roster as rosters
from make_enrolment_vectors import ed
from mlkem_derandomised import encapsulate
from secure_bytes import LABEL, Refused, bitmap, sha, u32
from secure_sum import signed


def det(label, length=32):
    count = -(-length // 32)
    return b"".join(sha(f"secagg-objects-v1|{label}|{i}".encode()) for i in range(count))[:length]


def hexed(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): hexed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [hexed(item) for item in value]
    return value


def deal(key, dealer, context, neighbours, threshold, publics, tag=""):
    """Everything a dealer makes from rho: secrets, shares per holder, envelopes and the signed header."""
    rho = det(f"rho {tag}{dealer}")
    higher, held_by = objects.above(dealer, neighbours), objects.holders(dealer, neighbours)
    seeds = {w: objects.dealt(rho, context, b"pair", w) for w in higher}
    secrets = [objects.dealt(rho, context, b"self")] + [seeds[w] for w in higher]
    poly_keys = [objects.dealt(rho, context, b"poly", index) for index in range(len(secrets))]
    shared = [arithmetic.coefficients(key, threshold) for key in poly_keys]
    items = {w: [arithmetic.share(secret, polynomials, w) for secret, polynomials in zip(secrets, shared)]
             for w in held_by}
    plain = {w: objects.plaintext(dealer, w, items[w], seeds) for w in neighbours}
    sealed = {w: envelopes.sealed(
        publics[w], objects.envelope_info(context), u32(dealer) + u32(w), plain[w],
        lattice=encapsulate(publics[w][:1184], det(f"encapsulation {tag}{dealer} {w}")),
        curve=X25519PrivateKey.from_private_bytes(det(f"point {tag}{dealer} {w}"))) for w in neighbours}
    roots = {w: objects.share_root(context, dealer, w, items[w]) for w in held_by}
    header = objects.Header(context, dealer, [objects.commitment(context, secret) for secret in secrets],
                            {w: sha(sealed[w]) for w in neighbours}, roots)
    return {"rho": rho, "self_seed": secrets[0], "pair_seeds": seeds, "poly_keys": poly_keys, "items": items,
            "plaintexts": plain, "envelopes": sealed, "commitments": header.secrets, "share_roots": roots,
            "header": signed(key, header.encode())}


def judged(members, terms, neighbours, order):
    try:
        rosters.admissible(members, terms, neighbours, order)
        why = ""
    except Refused as refusal:
        why = str(refusal)
    return {"bitmap": bitmap(members, terms.n), "admissible": not why, "why": why}


def without(n, lost):
    return [x for x in range(1, n + 1) if x not in lost]


def graph(terms, n, k, t, m, silent, losses):
    """One graph from its reveals; losses are places in the ring."""
    reveals = [bytes(32) if x in silent else det(f"nonce {n} {x}") for x in range(1, n + 1)]
    draft = det(f"draft {n}")
    key = rosters.graph_key(draft, reveals)
    order = rosters.permutation(key, n)
    neighbours = rosters.ring_neighbours(order, k)
    terms.n, terms.quorum, terms.threshold, terms.neighbours, terms.window = n, 2 * n // 3 + 1, t, k, m
    return order, neighbours, {
        "n": n, "quorum": terms.quorum, "k": k, "t": t, "m": m, "draft_hash": draft, "silent": silent,
        "reveals": reveals, "reveal_commitment_1": sha(LABEL + b"nonce" + reveals[0]), "key": key,
        "order": order, "neighbours": {u: neighbours[u] for u in ([1, 2, n // 2, n] if n > 50 else neighbours)},
        "sets": [judged(without(n, {order[place % n] for place in places}), terms, neighbours, order)
                 for places in losses]}


def graphs(task):
    """Two graphs: a row of the design's table, and one small enough to show whole. `task` gives fresh terms."""
    spread = [place for place in range(90) if place % 30 < 9]
    large = graph(task(), 101, 60, 21, 21, [17], [[], spread, range(5, 15), range(95, 105), range(34)])[2]
    losses = [[], [0], [2, 3], [0, 6], [4, 6], [11, 1], [0, 4, 8, 10]]
    order, neighbours, small = graph(task(), 12, 4, 4, 1, [3], losses)
    context = det("graph context")
    publics = {x: envelopes.XWing(det(f"graph xwing {x}")).public for x in range(1, 13)}
    key = ed("graph dealer")
    dealer = next(x for x in (4, 5, 6) if any(v < x for v in neighbours[x]) and any(v > x for v in neighbours[x]))
    lost = {order[0], order[6]}
    small["deal"] = {"context": context, "dealer": dealer, "statement": key.public_key().public_bytes_raw(),
                     "xwing_keys": {x: publics[x] for x in neighbours[dealer]},
                     **deal(key, dealer, context, neighbours[dealer], 4, publics, "graph ")}
    small["released"] = {"v1": bitmap(range(1, 13), 12), "survivors": bitmap(without(12, lost), 12),
                         "items": {w: objects.released(w, set(range(1, 13)), set(without(12, lost)), neighbours)
                                   for w in range(1, 13)}}
    return {"default_row": large, "small": small}


def packing():
    rows = []
    for bits in (18, 25, 32):
        top = (1 << bits) - 1
        few = [0, 1, top, 1 << bits - 1, 0x15555 & top, 2, top - 1]
        key, sections = det(f"packing {bits}"), [(arithmetic.CHUNK + 5, bits, 16)]
        parts = arithmetic.chunks(arithmetic.mask(key, sections), sections)
        leaves = [arithmetic.leaf(part) for part in parts]
        rows.append({"ring_bits": bits, "entries": few, "packed": arithmetic.packed(few, bits),
                     "long": {"what": "entry i is mask word i under the key, low b bits", "entries": sections[0][0],
                              "key": key, "chunk_bytes": [len(part) for part in parts], "last_chunk": parts[-1],
                              "leaves": leaves, "root": arithmetic.root(leaves)}})
    return rows


def sections64():
    rows = []
    for n, bits, value_bits in ((4, 64, 62), (500, 64, 55)):
        sections = [(5, 18, 16), (2, bits, value_bits), (4, 32, 2)]
        top = (1 << value_bits - 1) - 1
        values = [[top, -top] if x < 2 else [-top, -top] if x == 2 else [
            (int.from_bytes(det(f"value {n} {bits} {x} {i}", 8), "big") >> 64 - value_bits) - (1 << value_bits - 1)
            for i in range(2)] for x in range(n)]
        ring = [arithmetic.encoded([[], row, []], [(0, 18, 16), sections[1], (0, 32, 2)])[1] for row in values]
        total = [sum(column) % (1 << bits) for column in zip(*ring)]
        signed_sum = [sum(column) for column in zip(*values)]
        assert arithmetic.decoded([total], [sections[1]], n) == [signed_sum]
        key = det(f"section mask {n} {bits}")
        rows.append({"n": n, "ring_bits": bits, "value_bits": value_bits, "sections": sections,
                     "starts": arithmetic.starts(sections)[0], "mask_key": key, "mask": arithmetic.mask(key, sections),
                     "values": values, "ring": ring[:8], "ring_sum": total, "sum": signed_sum})
    return rows
