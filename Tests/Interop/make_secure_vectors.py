#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Writes protocol/vectors/secagg/objects.json: one whole secure round, object by object, sharing no code with Swift.
"""
Usage: make_secure_vectors.py [--check]

Needs the package `cryptography` 48 or newer. Every key and random value comes from a fixed text and every signature is
deterministic, so the output is always the same; --check makes it again and compares it with the committed file.
"""
import dataclasses
import json
import pathlib
import re
import sys

import secure_arithmetic as arithmetic
import secure_envelope as envelopes
import secure_objects as objects
import secure_roster as rosters
from make_enrolment_vectors import FEDERATION, ed, leaf, raw
from secure_bytes import Refused, bitmap, lp, sha, u32, u64
from secure_negatives import negatives
from secure_sum import signed
from secure_vector_parts import deal, det, graphs, hexed, packing, sections64

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "protocol/vectors/secagg"
FILE = json.loads((FOLDER / "secagg.json").read_text(encoding="utf-8"))["round"]
SITES = ["basel", "bergen", "cleveland", "gent", "lund", "pisa", "zurich"]
N = len(SITES)
ALL, SURVIVORS, RESPONDERS, VOIDERS = range(1, 8), [1, 2, 4, 5, 6, 7], [1, 2, 4, 5, 7], [1, 2, 3, 5, 7]
SECTIONS = [(8, 19, 16), (3, 64, 32), (4, 32, 2)]
NEIGHBOURS = rosters.complete(N)
AGGREGATOR = ed("aggregator")
RULES = {
    "test_bytes": "det(label, n) = SHA-256('secagg-objects-v1|' label '|0') || SHA-256('secagg-objects-v1|' label '|1')"
                  " || … truncated; every value made so is also written out",
    "keys": "Ed25519 and P-256 keys as in ../enrolment/enrolment.json: seed = SHA-256('<site> statement'), SHA-256("
            "'<site> witness'), SHA-256('aggregator'); an X-Wing key pair is expanded from its 32-byte seed",
    "signatures": "Ed25519 over all bytes of the object before the signature; a proposal is signed by the aggregator "
                  "over 'fl/secagg/v1 propose\\n' || SHA-256(set); a set and a void are signed without a signer's name",
    "complete_graph": "k = n - 1, m = 0 in the task; the threshold is the quorum",
    "key_changes": "u16 count || [u64 since || (LP(name) || signature)*]; in `rosters`, which follow the round's one, "
                   "lund has new keys, by its old key or by the quorum of the other members, and oslo is new",
    "value_bits": "the check lanes have b = 32 and 2 value bits: ±(2^(2-1) - 1) holds their value 1",
    "ack": "the bitmap has the accepted dealers among the neighbours, never the site itself; the list has the others "
           "that sent something, ascending; codes: " + ", ".join(f"{c} {w}" for w, c in objects.CODES.items()),
    "envelope": "X-Wing encapsulation (1,120 bytes) || AES-256-GCM ciphertext with its tag; HPKE base mode, suite "
                "647a, 0001, 0002, first message",
    "entries": "an input statement counts the entries of all sections, check lanes too",
    "packing": "entry i of a chunk is bits [i·b, (i+1)·b), least significant first, bit 0 of byte 0 first",
    "sum": "SHA-256 of the sum's ring elements, packed chunk after chunk as an upload is",
    "signed_values": "two's complement for b <= 32; for b > 32 each site adds 2^(value bits - 1), and |U| times that "
                     "is subtracted from the sum",
    "shuffle": "i from n-1 down to 1 over the 0-based array of positions 1…n; words are 8-byte little-endian words of "
               "the AES-256-CTR stream of the graph key; word w is accepted iff w < floor(2^64/(i+1))·(i+1); "
               "j = w mod (i+1)",
    "hex": "bytes are in lower-case hexadecimal",
}


STATEMENT = {x: ed(f"{SITES[x - 1]} statement") for x in ALL}
XWING = {x: envelopes.XWing(det(f"xwing {x}")) for x in ALL}


# ---- The round -------------------------------------------------------------------------------------------------------

def roster():
    made = rosters.Roster(FEDERATION.encode(), det("study"), 41, det("previous roster"), 3, det("deny list"), [])
    for x, site in enumerate(SITES, 1):
        entry = rosters.Entry(site.encode(), leaf(site), raw(STATEMENT[x]), raw(ed(f"{site} witness")),
                              XWING[x].public, bytes(32), 41, 1_800_086_400, [])
        entry.signature = STATEMENT[x].sign(entry.signable(made.federation))
        made.entries.append(entry)
    assert rosters.Roster.decode(made.encode()).encode() == made.encode()
    return made


def changed_roster(before, change):
    """The roster of the next epoch, in which keys are new that somebody stands up for."""
    made = dataclasses.replace(before, epoch=42, previous=sha(before.encode()), entries=[])
    changed = {"rotation": ["lund"], "vouches": ["lund", "oslo"]}[change]
    for site in sorted({*SITES, *changed}):
        statement = ed(f"{site} statement 2" if site in changed else f"{site} statement")
        witness = ed(f"{site} witness 2" if site in changed else f"{site} witness")
        entry = rosters.Entry(site.encode(), leaf(site, keys=(statement, witness)), raw(statement), raw(witness),
                              envelopes.XWing(det(f"xwing 42 {site}")).public, bytes(32), 42, 1_800_172_800, [])
        if site in changed:
            entry.since = 42
            kind = b"rotate" if change == "rotation" else b"vouch"
            signers = [site] if change == "rotation" else [x for x in SITES if x != site][:5]
            body = (b"fl/keys/v1 " + kind + b"\n" + lp(made.federation) + lp(entry.site) + entry.statement
                    + entry.witness + u64(entry.since))
            entry.vouches = [(x.encode(), ed(f"{x} statement").sign(body)) for x in signers]
        entry.signature = statement.sign(entry.signable(made.federation))
        made.entries.append(entry)
    assert rosters.Roster.decode(made.encode()).encode() == made.encode()
    return {"bytes": made.encode(), "hash": sha(made.encode()), "changed": changed}


def task(attempt):
    return rosters.Task(det("study"), rosters.TRAINING, attempt, det("plan"), SECTIONS, N, 5, 5, N - 1, 0, 5, 3, 2, 4,
                        [1, 4], 0, det("policy"))


BLOBS = {b"model": det("model", 100), b"standardisation": det("standardisation", 24), b"class weights": b""}


def values_of(x):
    """The file's integers, three 64-bit values at the edges and between, and the check lanes."""
    wide = [(-1) ** x * (2 ** 31 - 1), 1000 * x, int.from_bytes(det(f"wide {x}", 4), "big") >> 1]
    return [FILE["inputs"][str(x)], wide, [1] * 4]


def masked(x, deals, context, v1, sections):
    keys = {x: arithmetic.mask_key(deals[x]["self_seed"], context, b"self")}
    vector = arithmetic.encoded(values_of(x), sections)
    vector = arithmetic.add(vector, arithmetic.mask(keys[x], sections), sections)
    for v in v1:
        if v != x:
            low, high = min(x, v), max(x, v)
            keys[v] = arithmetic.mask_key(deals[low]["pair_seeds"][high], context, b"pair")
            vector = arithmetic.add(vector, arithmetic.mask(keys[v], sections), sections, 1 if x < v else -1)
    return keys, vector


def unmasked(uploads, deals, context, releases):
    """The aggregator's half: rebuild each secret from five shares and take its mask off the sum."""
    total = [[0] * entries for entries, _, _ in SECTIONS]
    for x in SURVIVORS:
        total = arithmetic.add(total, uploads[x], SECTIONS)
    shares, rebuilt = {}, []
    for w, release in releases.items():
        for u, index, item, path in release.items:
            node = objects.share_leaf(context, u, w, index, item)
            count = len(deals[u]["poly_keys"])
            assert arithmetic.root_of_path(node, index, count, path) == deals[u]["share_roots"][w]
            shares.setdefault((u, index), {})[w] = item
    for (u, index), items in sorted(shares.items()):
        secret = arithmetic.rebuild(items)
        assert objects.commitment(context, secret) == deals[u]["commitments"][index]
        kind, other = (b"self", None) if index == 0 else (b"pair", objects.above(u, NEIGHBOURS[u])[index - 1])
        # A dangling pair mask stands in the survivor's upload: added if the survivor is the lower end.
        sign = -1 if other is None or u in SURVIVORS else 1
        mask = arithmetic.mask(arithmetic.mask_key(secret, context, kind), SECTIONS)
        total = arithmetic.add(total, mask, SECTIONS, sign)
        rebuilt.append({"dealer": u, "index": index, "pair_with": other, "secret": secret})
    return total, rebuilt


def release(w, deals, context, set_hash):
    made = objects.Shares(context, set_hash, w, [])
    for u, index in objects.released(w, set(ALL), set(SURVIVORS), NEIGHBOURS):
        items = deals[u]["items"][w]
        leaves = [objects.share_leaf(context, u, w, i, item) for i, item in enumerate(items)]
        made.items.append((u, index, items[index], arithmetic.path(leaves, index)))
    return made


def whole_round():
    members, tasks = roster(), {attempt: task(attempt) for attempt in (1, 2)}
    roster_hash, model_hash = sha(members.encode()), rosters.inputs_hash(BLOBS)
    contexts = {a: rosters.context_hash(roster_hash, model_hash, sha(tasks[a].encode()), 7) for a in tasks}
    context = contexts[2]
    publics = {x: XWING[x].public for x in ALL}
    deals = {x: deal(STATEMENT[x], x, context, NEIGHBOURS[x], 5, publics) for x in ALL}
    for u, deal_of in deals.items():
        for w, envelope in deal_of["envelopes"].items():
            plain = envelopes.opened(XWING[w], objects.envelope_info(context), u32(u) + u32(w), envelope)
            assert plain == deal_of["plaintexts"][w]
    manifest = objects.Manifest(context, {x: sha(deals[x]["header"]) for x in ALL}).encode(N)
    acks = {x: objects.Ack(context, x, NEIGHBOURS[x], []).encode(N) for x in ALL}
    refusing = objects.Ack(context, 2, [1, 3, 4, 6, 7], [(5, 5, sha(deals[5]["header"]))]).encode(N)

    uploads, sites = {}, {}
    for x in ALL:
        keys, vector = masked(x, deals, context, ALL, SECTIONS)
        parts = arithmetic.chunks(vector, SECTIONS)
        assert arithmetic.vector_of(parts, SECTIONS) == vector
        leaves = [arithmetic.leaf(part) for part in parts]
        statement = objects.Input(context, sha(manifest), x, sum(s[0] for s in SECTIONS), arithmetic.root(leaves))
        uploads[x] = vector
        sites[x] = {**deals[x], "ack": signed(STATEMENT[x], acks[x]), "values": values_of(x),
                    "ring": arithmetic.encoded(values_of(x), SECTIONS), "mask_keys": keys, "masked": vector,
                    "chunks": parts, "leaves": leaves, "root": arithmetic.root(leaves),
                    "input": signed(STATEMENT[x], statement.encode())}
        if x in SURVIVORS:
            sites[x]["receipt"] = signed(AGGREGATOR, objects.receipt(context, sites[x]["input"]))
    inputs = sha(b"".join(sites[x]["input"] for x in SURVIVORS))
    body = objects.SurvivorSet(context, sha(manifest), SURVIVORS, inputs).encode(N)
    signers = {x: STATEMENT[x].sign(body) for x in RESPONDERS}
    releases = {w: release(w, deals, context, sha(body)) for w in RESPONDERS}
    for w in RESPONDERS:
        sites[w] |= {"set_signature": signers[w], "shares": signed(STATEMENT[w], releases[w].encode())}
    total, rebuilt = unmasked(uploads, deals, context, releases)
    names = {(e["dealer"], e["pair_with"]) for e in rebuilt}
    assert names == {tuple([int(p[5:]), None] if p.startswith("self") else map(int, p[5:].split("-")))
                     for p in FILE["secrets_reconstructed"]}
    decoded = arithmetic.decoded(total, SECTIONS, len(SURVIVORS))
    assert decoded == [[sum(column) for column in zip(*(values_of(x)[s] for x in SURVIVORS))] for s in range(3)]
    assert decoded[0] == FILE["sum_of_survivors"] and decoded[2] == [len(SURVIVORS)] * 4
    parts = arithmetic.chunks(total, SECTIONS)
    result = objects.Result(context, sha(body), objects.sum_hash(parts), sha(det("next model", 100)))
    void = objects.void(contexts[1])
    return {
        "roster": {"bytes": members.encode(), "hash": roster_hash, "sites": SITES},
        "inputs": {"blobs": {name.decode(): BLOBS[name] for name in sorted(BLOBS)}, "model_hash": model_hash},
        "task": {**vars(tasks[2]), "bytes": tasks[2].encode(), "hash": sha(tasks[2].encode()),
                 "required_bitmap": bitmap(tasks[2].required, N)},
        "number": 7, "context": context, "starts": arithmetic.starts(SECTIONS)[0], "sites": sites,
        "refusing_ack": signed(STATEMENT[2], refusing),
        "v1": ALL, "v1_bitmap": bitmap(ALL, N), "manifest": signed(AGGREGATOR, manifest),
        "manifest_hash": sha(manifest),
        "survivors": SURVIVORS, "survivors_bitmap": bitmap(SURVIVORS, N), "inputs_hash": inputs, "set": body,
        "set_hash": sha(body), "proposal": body + AGGREGATOR.sign(objects.proposable(body)),
        "certificate": body + objects.signatures(signers),
        "responders": RESPONDERS, "rebuilt": rebuilt, "ring_sum": total, "sum": decoded, "check_lanes": decoded[2],
        "sum_chunks": parts, "sum_hash": objects.sum_hash(parts), "next_model": det("next model", 100),
        "result": signed(AGGREGATOR, result.encode()),
        "void": {"of": "attempt 1 of the same round", "task": tasks[1].encode(), "context": contexts[1], "bytes": void,
                 "hash": sha(void),
                 "certificate": void + objects.signatures({x: STATEMENT[x].sign(void) for x in VOIDERS})},
        "known": known(),
    }


def known():
    """Answers that the design states for the round of secagg.json, whose context and seeds are given there."""
    context = bytes.fromhex(FILE["context"])
    item = bytes.fromhex(FILE["shares_sent"]["self-1"]["2"])
    answers = {
        "commitment_self_1": objects.commitment(context, bytes.fromhex(FILE["self_seeds"]["1"])),
        "commitment_pair_1_2": objects.commitment(context, bytes.fromhex(FILE["pair_seeds"]["1-2"])),
        "bitmap_v1": bitmap(ALL, N), "bitmap_survivors": bitmap(SURVIVORS, N),
        "void_hash": sha(objects.void(context)), "share_leaf_1_2_0": objects.share_leaf(context, 1, 2, 0, item),
    }
    assert hexed(answers) == {
        "commitment_self_1": "0b1097dd5f1e376af600177775769b8064b2cedb9a7dbf0fd04a2dc104b97fd4",
        "commitment_pair_1_2": "ef465e0b055d203e9b3dc4faa425546327e31f2397711b2925db6b4ae116fde4",
        "bitmap_v1": "7f", "bitmap_survivors": "7b",
        "void_hash": "7d69f0bb6d595681f02b11e8f145ead689fb8957a0b4af64472a6676026d1748",
        "share_leaf_1_2_0": "2e09a173b758b7fc9a424c8d77b9e701ef7fb6d7ffdc38170b832f71eecb325d"}
    return {"context": context, **answers}


def refused(case):
    """Whether our own reader refuses the bytes of a case of stage `decode`."""
    readers = {
        "roster": rosters.Roster.decode, "task": rosters.Task.decode, "input": objects.Input.decode,
        "header": lambda data: objects.Header.decode(data, NEIGHBOURS), "ack": lambda data: objects.Ack.decode(data, N),
        "manifest": lambda data: objects.Manifest.decode(data, N),
        "proposal": lambda data: objects.read_proposal(data, N),
        "certificate": lambda data: objects.read_certificate(data, N, 5), "shares": objects.Shares.decode,
        "void certificate": lambda data: objects.read_void_certificate(data, N, 5), "result": objects.Result.decode,
        "plaintext": lambda data: objects.read_plaintext(
            data, case["dealer"], case["holder"], NEIGHBOURS[case["dealer"]]),
    }
    try:
        readers[case["object"]](case["bytes"])
        return False
    except Refused:
        return True


def main():
    made, graph_vectors = whole_round(), graphs(lambda: task(1))
    vectors = {
        "what": "objects, intermediate hashes and refusals of one secure round of seven sites, and of its parts",
        "rules": RULES,
        "keys": {"aggregator": {"seed": sha(b"aggregator"), "public": raw(AGGREGATOR)}, "sites": {x: {
            "site": SITES[x - 1], "statement_seed": sha(f"{SITES[x - 1]} statement".encode()),
            "statement": raw(STATEMENT[x]), "witness": raw(ed(f"{SITES[x - 1]} witness")),
            "xwing_seed": det(f"xwing {x}"), "xwing": XWING[x].public} for x in ALL}},
        "round": made, "rosters": {change: changed_roster(roster(), change) for change in ("rotation", "vouches")},
        "graph": graph_vectors, "packing": packing(), "sections64": sections64(),
        "negative": negatives(made, graph_vectors, STATEMENT, AGGREGATOR),
    }
    for case in vectors["negative"]:
        assert case["stage"] == "check" or refused(case), case["name"]
    # A list of numbers stands on one line.
    text = re.sub(r"\[[\s\d,-]+\]", lambda found: re.sub(r"\s+", " ", found[0]).replace("[ ", "[").replace(" ]", "]"),
                  json.dumps(hexed(vectors), indent=1, ensure_ascii=False)) + "\n"
    output = FOLDER / "objects.json"
    if "--check" in sys.argv[1:]:
        same = output.read_text(encoding="utf-8") == text
        sys.exit(0 if same else "error: objects.json is not what this script makes")
    output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
