# SPDX-License-Identifier: Apache-2.0
# Holds the Python site of the secure sum to the committed vectors: the older building blocks, and each refusal.
"""Run by `secure_sum.py --self-test`."""

import hashlib
import json
import pathlib
import random

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import secure_arithmetic as arithmetic
import secure_envelope as envelopes
import secure_objects as objects
import secure_roster as rosters
from make_enrolment_vectors import ISSUING_DER
from mlkem_derandomised import encapsulate
from secure_bytes import Reader, Refused, require, sha, u32, verified
from secure_round import Round
from secure_sum import Site, Study, Update

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "protocol/vectors/secagg"
BLOCKS = json.loads((FOLDER / "secagg.json").read_text(encoding="utf-8"))
OBJECTS = json.loads((FOLDER / "objects.json").read_text(encoding="utf-8"))


def hexed(text):
    return bytes.fromhex(text)


def test_streams_and_keys():
    prg = BLOCKS["prg"]
    for name, block, length in (("bytes_0_64", 0, 64), ("bytes_at_block_1000_32", 1000, 32),
                                ("bytes_at_block_2^32-1_48", 2 ** 32 - 1, 48)):
        assert arithmetic.stream(hexed(prg["key"]), length, block).hex() == prg[name]
    for row in BLOCKS["hkdf"]:
        assert arithmetic.hkdf(hexed(row["ikm"]), hexed(row["salt"]), row["info"].encode()).hex() == row["okm"]


def test_shares():
    for row in BLOCKS["shamir"]:
        assert arithmetic.limbs(hexed(row["secret"])) == row["limbs"]
        shares = {int(x): hexed(item) for x, item in row["shares"].items()}
        for x, item in shares.items():
            assert row["coefficients"] is None or arithmetic.share(hexed(row["secret"]), row["coefficients"], x) == item
        chosen = row["reconstruct_from"]
        assert arithmetic.lagrange_at_zero(chosen) == row["lagrange_at_zero"]
        assert arithmetic.rebuild({x: shares[x] for x in chosen}).hex() == row["secret"]


def test_masks_of_the_older_round():
    made, sections = BLOCKS["round"], [(8, 32, 16)]
    context = hexed(made["context"])
    hashes = [hexed(made[name]) for name in ("roster_hash", "model_hash", "task_hash")]
    assert rosters.context_hash(*hashes, made["round_number"]) == context
    for x in range(1, 8):
        vector = arithmetic.encoded([made["inputs"][str(x)]], sections)
        seeds = [(b"self", 1, made["self_seeds"][str(x)])]
        seeds += [(b"pair", 1 if x < v else -1, made["pair_seeds"][f"{min(x, v)}-{max(x, v)}"])
                  for v in range(1, 8) if v != x]
        for kind, sign, seed in seeds:
            mask = arithmetic.mask(arithmetic.mask_key(hexed(seed), context, kind), sections)
            vector = arithmetic.add(vector, mask, sections, sign)
        assert vector == [made["masked"][str(x)]]


def test_xwing():
    """The first test vector of draft-connolly-cfrg-xwing-kem: its seeds are the stream of SHAKE-128 of nothing."""
    source = hashlib.shake_128(b"").digest(96)
    pair, randomness = envelopes.XWing(source[:32]), source[32:]
    point = envelopes.x25519.X25519PrivateKey.from_private_bytes(randomness[32:])
    shared, sealed = envelopes.encapsulated(pair.public, encapsulate(pair.public[:1184], randomness[:32]), point)
    assert shared.hex() == "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384"
    assert pair.decapsulated(sealed) == shared


def test_sites_replay_the_round():
    """Sites with the file's keys and `rho`, given its headers and envelopes, send what stands in the file."""
    good, keys = OBJECTS["round"], OBJECTS["keys"]
    issuer = x509.load_der_x509_certificate(ISSUING_DER)
    blobs = {name.encode(): hexed(blob) for name, blob in good["inputs"]["blobs"].items()}
    inputs = {int(x): hexed(site["input"]) for x, site in good["sites"].items()}
    for x in map(int, good["sites"]):
        made, key = good["sites"][str(x)], keys["sites"][str(x)]
        statement = Ed25519PrivateKey.from_private_bytes(hexed(key["statement_seed"]))
        site = Site(key["site"].encode(), statement, envelopes.XWing(hexed(key["xwing_seed"])),
                    hexed(keys["aggregator"]["public"]), issuer, lambda _, made=made: hexed(made["rho"]))
        site.studies[hexed(good["task"]["study"])] = Study(sha(blobs[b"model"]))
        context = site.open(site.accept(hexed(good["roster"]["bytes"])), hexed(good["task"]["bytes"]), blobs,
                            good["number"])
        assert context.hex() == good["context"]
        leg, known = site.legs[context], objects.Header.decode(hexed(made["header"]), rosters.complete(7))
        dealt = objects.Header.decode(site.deal(context)[0], rosters.complete(7))
        assert (dealt.secrets, dealt.share_roots) == (known.secrets, known.share_roots)
        leg.header = hexed(made["header"])  # sealing draws randomness: take the file's envelopes instead
        for u in leg.round.neighbours[x]:
            dealer = good["sites"][str(u)]
            site.receive(context, u, hexed(dealer["header"]), hexed(dealer["envelopes"][str(x)]))
        assert site.ack(context).hex() == made["ack"]
        site.bind(context, hexed(good["manifest"]))
        chunks, statement = site.upload(context, Update(made["values"][:-1]))
        assert [chunk.hex() for chunk in chunks] == made["chunks"] and statement.hex() == made["input"]
        if "receipt" in made:
            site.receipt(context, hexed(made["receipt"]))
        if "set_signature" in made:
            assert site.sign(context, hexed(good["proposal"]), inputs).hex() == made["set_signature"]
            assert site.unmask(context, hexed(good["certificate"]), inputs).hex() == made["shares"]
        sums = site.result(context, hexed(good["result"]), [hexed(part) for part in good["sum_chunks"]],
                           hexed(good["certificate"]))
        assert sums == good["sum"][:-1]


def test_readers_take_one_spelling():
    """A changed byte is refused by the reader, or read as something that is written in just these bytes."""
    good, source, done = OBJECTS["round"], random.Random(7), 0
    near, first = rosters.complete(7), good["sites"]["1"]

    def certificate(data):
        made, _, found = objects.read_certificate(data, 7, 5)
        return made.encode(7) + objects.signatures(found)

    def void(data):
        context, found = objects.read_void_certificate(data, 7, 5)
        return objects.void(context) + objects.signatures(found)

    def proposal(data):
        made, _, signature = objects.read_proposal(data, 7)
        return made.encode(7) + signature

    def read(kind, *encoding, **reading):
        def again(data):
            made = kind.decode(data, **reading)
            return made.encode(*encoding) + getattr(made, "signature", b"")
        return again

    readers = [(good["roster"]["bytes"], read(rosters.Roster)), (good["task"]["bytes"], read(rosters.Task)),
               (first["header"], read(objects.Header, neighbours_of=near)), (first["ack"], read(objects.Ack, 7, n=7)),
               (good["refusing_ack"], read(objects.Ack, 7, n=7)), (good["manifest"], read(objects.Manifest, 7, n=7)),
               (first["input"], read(objects.Input)), (good["proposal"], proposal), (good["certificate"], certificate),
               (good["void"]["certificate"], void), (first["shares"], read(objects.Shares)),
               (good["result"], read(objects.Result))]
    for text, again in readers:
        data = hexed(text)
        assert again(data) == data
        for _ in range(400):
            # Most changes fall among the first bytes, where labels, counts and bitmaps are.
            changed, at = bytearray(data), source.randrange(min(len(data), source.choice([120, len(data)])))
            changed[at] ^= 1 << source.randrange(8)
            try:
                assert again(bytes(changed)) == changed
            except Refused:
                done += 1
    return f"{done} of {400 * len(readers)} refused"


# ---- Refusals --------------------------------------------------------------------------------------------------------

class Checks:
    """The vectors' round as a reader knows it, with one method per kind of object."""

    def __init__(self):
        self.good = OBJECTS["round"]
        roster = rosters.Roster.decode(hexed(self.good["roster"]["bytes"]))
        self.task = rosters.Task.decode(hexed(self.good["task"]["bytes"]))
        aggregator = hexed(OBJECTS["keys"]["aggregator"]["public"])
        self.round = Round(hexed(self.good["context"]), roster, self.task, aggregator)
        assert rosters.context_hash(sha(roster.encode()), hexed(self.good["inputs"]["model_hash"]),
                                    sha(self.task.encode()), self.good["number"]) == self.round.context
        self.sites = {int(x): site for x, site in self.good["sites"].items()}
        self.inputs = {x: hexed(site["input"]) for x, site in self.sites.items()}

    def manifest(self, data, case):
        made = self.round.manifest(data)
        self.round.permitted(list(made.headers))
        require(all(sha(hexed(self.sites[x]["header"])) == digest for x, digest in made.headers.items()), "header")
        require(data == hexed(self.good["manifest"]), "second manifest")

    def proposal(self, data, case):
        made, body, signature = objects.read_proposal(data, 7)
        verified(self.round.aggregator, signature, objects.proposable(body))
        manifest = self.round.manifest(hexed(case.get("manifest", self.good["manifest"])))
        # U is judged before the members' statements, which are those of the good manifest.
        self.round.survivors(made, manifest, self.inputs, 1)
        require(data == hexed(self.good["proposal"]), "second proposal")

    def certificate(self, data, case):
        self.round.certificate(data)

    def header(self, data, case):
        self.round.header(data, 1)

    def input(self, data, case):
        self.round.input(data, 2, hexed(self.good["manifest_hash"]))

    def shares(self, data, case):
        made = objects.Shares.decode(data)
        verified(self.round.key(made.holder), made.signature, made.body)
        wanted = objects.released(made.holder, set(range(1, 8)), set(self.good["survivors"]), self.round.neighbours)
        require([item[:2] for item in made.items] == wanted, "items")
        for u, index, item, path in made.items:
            header = self.round.header(hexed(self.sites[u]["header"]), u)
            node = objects.share_leaf(self.round.context, u, made.holder, index, item)
            root = arithmetic.root_of_path(node, index, len(header.secrets), path)
            require(root == header.share_roots[made.holder], "path")

    def rebuild(self, data, case):
        arithmetic.rebuild({int(x): hexed(item) for x, item in case["shares"].items()})

    def envelope(self, data, case):
        key = envelopes.XWing(hexed(OBJECTS["keys"]["sites"][str(case["key"])]["xwing_seed"]))
        aad = u32(case["dealer"]) + u32(case["holder"])
        envelopes.opened(key, objects.envelope_info(self.round.context), aad, data)

    def set_bitmap(self, data, case):
        graph = OBJECTS["graph"][case["graph"]]
        task = rosters.Task.decode(self.task.encode())
        task.n, task.quorum, task.neighbours = graph["n"], graph["quorum"], graph["k"]
        task.threshold, task.window = graph["t"], graph["m"]
        order = rosters.permutation(hexed(graph["key"]), graph["n"])
        members = Reader(data).positions(graph["n"])
        rosters.admissible(members, task, rosters.ring_neighbours(order, graph["k"]), order)


def test_refusals():
    checks = Checks()
    for kind in ("manifest", "proposal", "certificate"):
        getattr(checks, kind)(hexed(checks.good[kind]), {})
    checks.header(hexed(checks.sites[1]["header"]), {})
    checks.input(checks.inputs[2], {})
    checks.shares(hexed(checks.sites[2]["shares"]), {})
    cases = [case for case in OBJECTS["negative"] if case["stage"] == "check" and case["object"] != "void request"]
    for case in cases:
        try:
            getattr(checks, case["object"].replace(" ", "_"))(hexed(case["bytes"]), case)
        except Refused:
            continue
        raise AssertionError(case["name"])
    return f"{len(cases)} refused"
