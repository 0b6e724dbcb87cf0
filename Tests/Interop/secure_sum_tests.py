# SPDX-License-Identifier: Apache-2.0
# Tests of the Python site of the secure sum: rounds with losses at every leg, and attacks by the aggregator.
"""Run by `secure_sum.py --self-test`."""

import collections
import itertools
import random
import sys

import secure_arithmetic as arithmetic
import secure_envelope as envelopes
import secure_objects as objects
import secure_roster as rosters
import secure_sum_explorer
import secure_vector_tests
from make_enrolment_vectors import ed, leaf, raw
from secure_bytes import Refused, lp, sha, u32, u64
from secure_sum import Update, signed
from secure_sum_federation import ENTRIES, SECTIONS, STUDY, Federation, entry, roster

LEGS = ["deal", "ack", "bind", "upload", "sign", "unmask"]


def one_round(n, losses, undelivered=frozenset(), graph=None):
    """losses: the leg from which a site is gone, by site. Returns whether the exact sum came out."""
    federation = Federation(n, graph)
    made = federation.open()
    quorum = made.round.task.quorum

    def lost(leg):
        return {x for x, since in losses.items() if LEGS.index(since) <= LEGS.index(leg)}

    try:
        certificate = federation.to_certificate(made, lost, undelivered)
        total = federation.finish(made, certificate, lost)
    except Refused as refusal:
        enough = n - len(losses) >= quorum and not undelivered and not graph
        assert not enough, (n, losses, str(refusal))
        assert str(refusal) in ("below the quorum", "thin window", "thin neighbourhood", "too few signatures",
                                "too few shares"), str(refusal)
        return False
    result, parts = made.result(total, b"model 2")
    sums = [site.result(made.round.context, result, parts, certificate) for x, site in federation.sites.items()]
    assert all(each == federation.expected(made.members) for each in sums)
    assert all(site.legs[made.round.context].closed for site in federation.sites.values())
    assert all(federation.updates[x].state == ("spent" if x in made.members else "free") for x in federation.updates)
    return True


# ---- Tests -----------------------------------------------------------------------------------------------------------

def refuses(word, action, *arguments):
    try:
        action(*arguments)
    except Refused as refusal:
        assert str(refusal) == word, f"{refusal} instead of {word}"
        return
    raise AssertionError(f"not refused: {word}")


def test_every_loss_at_every_leg():
    """n = 3 to 7: each set of sites lost at each leg, and for n = 3 every pattern of legs."""
    done = collections.Counter()
    for n in range(3, 8):
        for leg in LEGS:
            for size in range(n + 1):
                for gone in itertools.combinations(range(1, n + 1), size):
                    done[one_round(n, dict.fromkeys(gone, leg))] += 1
    for pattern in itertools.product([None, *LEGS], repeat=3):
        done[one_round(3, {x: leg for x, leg in enumerate(pattern, 1) if leg})] += 1
    return f"{done[True]} exact sums, {done[False]} refused"


def test_random_losses_and_undelivered_envelopes():
    source, done = random.Random(5), collections.Counter()
    for _ in range(150):
        n = source.randint(4, 7)
        losses = {x: source.choice(LEGS) for x in range(1, n + 1) if source.random() < 0.2}
        pairs = [(u, v) for u in range(1, n + 1) for v in range(1, n + 1) if u != v]
        undelivered = {pair for pair in pairs if source.random() < 0.03}
        done[one_round(n, losses, undelivered)] += 1
    return f"{done[True]} exact sums, {done[False]} refused"


GRAPH = (rosters.permutation(sha(b"graph"), 12), 6, 4, 2)


def test_graph_mode():
    source, done = random.Random(6), collections.Counter()
    for _ in range(25):
        losses = {x: source.choice(LEGS[3:]) for x in source.sample(range(1, 13), source.randint(0, 3))}
        done[one_round(12, losses, graph=GRAPH)] += 1
    return f"{done[True]} exact sums, {done[False]} refused"


def test_a_victim_is_not_isolated_in_a_graph():
    federation = Federation(12, GRAPH)
    made = federation.open()
    federation.to_manifest(made)
    for x in federation.sites:
        federation.upload(made, x)
    victim = GRAPH[0][0]
    late = GRAPH[0][1:4]  # its nearest places on one side: three of twelve may be late
    proposal = made.propose([x for x in range(1, 13) if x not in late])
    refuses("thin window", federation.sites[victim].sign, made.round.context, proposal, made.inputs)


def test_two_manifests():
    """A1: one site is shown another V1. Nobody else takes its input, and it takes no second manifest."""
    federation = Federation(4)
    made = federation.open()
    manifest = federation.to_manifest(made)
    other = made.signed_manifest({1, 2, 3})
    context = made.round.context
    refuses("second manifest", federation.sites[1].bind, context, other)
    assert federation.sites[1].evidence and federation.sites[1].legs[context].state == "Closed(refused)"
    federation.sites[1].void(context, federation.hash)

    federation = Federation(4)
    made = federation.open()
    federation.deal(made)
    for u in federation.sites:
        made.take_ack(u, federation.sites[u].ack(made.round.context))
    manifest = made.manifest()
    other, body = made.signed_manifest({1, 2, 3}), made.manifest_body
    made.manifest_body = objects.Manifest.decode(manifest, 4).body
    for x in federation.sites:
        federation.sites[x].bind(made.round.context, other if x == 1 else manifest)
    refuses("manifest of an input", federation.upload, made, 1)
    made.inputs[1] = federation.sites[1].upload(made.round.context, federation.update(1))[1]
    for x in (2, 3, 4):
        federation.upload(made, x)
    proposal = made.propose([1, 2, 3, 4])
    for x in (2, 3, 4):
        refuses("manifest of an input", federation.sites[x].sign, made.round.context, proposal, made.inputs)
    refuses("manifest of a set", federation.sites[1].sign, made.round.context, proposal, made.inputs)
    assert body != made.manifest_body


def test_a_manifest_that_forgets_dealers():
    """A1: every other dealer is said to have failed."""
    federation = Federation(4)
    made = federation.open()
    federation.to_manifest(made, lambda leg: {1} if leg == "bind" else set())
    refuses("below the quorum", federation.sites[1].bind, made.round.context, made.signed_manifest({1, 2}))


def test_two_sets_and_both_shares():
    """A second set is not signed, cannot be certified, and a second certificate gives no shares."""
    federation = Federation(4)
    made = federation.open()
    certificate = federation.to_certificate(made)
    context, sites = made.round.context, federation.sites
    first_body = made.body
    second = made.propose([1, 2, 3])
    for x in (1, 2, 3):
        refuses("second proposal", sites[x].sign, context, second, made.inputs)
    # Keys of three colluding sites would make the certificate; the honest one still answers only once.
    shares = sites[4].unmask(context, certificate, made.inputs)
    forged = made.body + objects.signatures({x: ENTRIES[x][1].sign(made.body) for x in (1, 2, 3)})
    refuses("another set was released", sites[4].unmask, context, forged, made.inputs)
    assert shares == sites[4].unmask(context, certificate, made.inputs)
    released = {item[:2] for item in objects.Shares.decode(shares).items}
    assert released == {(u, 0) for u in (1, 2, 3, 4)} and made.body != first_body


def test_replays_and_repeats():
    """The same question has the same bytes for an answer; bytes of another attempt are refused."""
    federation = Federation(4)
    made = federation.open()
    certificate = federation.to_certificate(made)
    context, sites = made.round.context, federation.sites
    assert sites[1].deal(context) == (made.headers[1], made.envelopes[1])
    assert sites[1].upload(context, federation.update(1))[1] == made.inputs[1]
    refuses("another update", sites[1].upload, context, Update([[0] * 5, [0] * 2]))
    refuses("an attempt is still open", federation.open, 1, 2)
    void = federation.void(made, [1, 2, 3])
    for x in (1, 2, 3):
        refuses("void was signed", sites[x].unmask, context, certificate, made.inputs)
    refuses("proof of nothing", federation.open, 1, 2, [void[:-1]])
    assert all(federation.updates[x].state == "exposed" for x in sites)
    again = federation.open(1, 2, [void])
    assert all(federation.updates[x].state == "free" for x in sites)
    for x in sites:
        sites[x].deal(again.round.context)
    sites[2].receive(again.round.context, 1, made.headers[1], made.envelopes[1][2])
    assert sites[2].legs[again.round.context].refused[1][0] == objects.CODES["context"]
    fresh = sites[1].deal(again.round.context)
    sites[2].receive(again.round.context, 1, fresh[0], made.envelopes[1][2])
    assert sites[2].legs[again.round.context].refused[1][0] == objects.CODES["envelope hash"]
    total = federation.finish(again, federation.to_certificate(again))
    refuses("context", sites[1].unmask, again.round.context, certificate, made.inputs)
    assert arithmetic.decoded(total, SECTIONS, 4)[:2] == federation.expected(sites)
    federation.terms["min_survivors"] = 4
    refuses("claimed by another context", federation.open, 1, 2, [void])


def test_release_and_void_exclude_each_other():
    federation = Federation(4)
    made = federation.open()
    certificate = federation.to_certificate(made)
    sites, context = federation.sites, made.round.context
    sites[1].unmask(context, certificate, made.inputs)
    refuses("released", sites[1].void, context, federation.hash)
    sites[2].void(context, federation.hash)
    refuses("void was signed", sites[2].unmask, context, certificate, made.inputs)
    refuses("void was signed", sites[2].sign, context, made.propose(), made.inputs)
    # A void of an attempt that was never joined forbids to join it.
    other = Federation(4)
    coming = other.open(only=[1, 2, 3])
    other.sites[4].void(coming.round.context, other.hash)
    refuses("void was signed", other.open)


def test_a_restored_site_waits_for_the_next_epoch():
    """A2: neither a second upload, nor a signature, nor a void from before the restore is repeated or made anew."""
    federation = Federation(4)
    made = federation.open()
    certificate = federation.to_certificate(made)
    site, context = federation.sites[1], made.round.context
    site.restored(1)
    refuses("another update", site.upload, context, federation.updates[1])
    refuses("not in this state", site.unmask, context, certificate, made.inputs)
    refuses("restored in this epoch", site.void, context, federation.hash)
    refuses("restored in this epoch", lambda: federation.open(1, 2, only=[1]))
    assert federation.updates[1].state == "spent"
    later = site.accept(roster(4, 2).encode())
    site.studies[STUDY].model = sha(b"model 2")
    site.open(later, federation.task(1).encode(), {b"model": b"model 2"}, 2)


def test_an_update_is_in_one_sum():
    """A6: after an upload only a void, or a set without the site, makes the update free."""
    federation = Federation(7)
    made = federation.open()
    gone = {"upload": {3}, "sign": {6}}
    certificate = federation.to_certificate(made, lambda leg: gone.get(leg, set()))
    federation.finish(made, certificate)
    assert federation.sites[3].legs[made.round.context].state == "Released"
    assert federation.updates[6].state == "exposed"
    refuses("proof of nothing", federation.open, 1, 2, [certificate[:-1]], [6])
    refuses("an attempt is still open", federation.open, 1, 2, [], [6])
    # A late site that uploaded and was left out: the certificate is its proof.
    federation = Federation(4)
    made = federation.open()
    federation.to_manifest(made)
    for x in (1, 2, 3, 4):
        federation.upload(made, x)
    proposal = made.propose([1, 2, 3])
    made.signatures = {x: federation.sites[x].sign(made.round.context, proposal, made.inputs) for x in (1, 2, 3)}
    refuses("not a member", federation.sites[4].sign, made.round.context, proposal, made.inputs)
    federation.sites[4].void(made.round.context, federation.hash)
    assert federation.updates[4].state == "exposed"
    refuses("void was signed", federation.sites[4].unmask, made.round.context, made.certificate(), made.inputs)
    assert federation.updates[4].state == "free"


def test_own_void_frees_when_all_must_be_present():
    federation = Federation(3)
    made = federation.open()
    federation.to_manifest(made)
    federation.upload(made, 2)
    federation.sites[2].void(made.round.context, federation.hash)
    assert federation.updates[2].state == "free"
    assert federation.sites[2].legs[made.round.context].state == "Closed(voided)"


def test_bad_dealers_and_responders_are_named():
    federation = Federation(4)
    made = federation.open()
    context = made.round.context
    for u in federation.sites:
        federation.sites[u].deal(context)
    # Dealer 1 seals shares of something else than it commits to, with roots that fit.
    leg, near = federation.sites[1].legs[context], [2, 3, 4]
    header = objects.Header.decode(leg.header, made.round.neighbours)
    wrong = {w: [bytes(40)] + [bytes([w]) * 8 * 5] * 3 for w in (1, 2, 3, 4)}
    leg.items[1] = wrong[1]
    for w in near:
        leg.envelopes[w] = envelopes.sealed(
            federation.roster.entries[w - 1].xwing, objects.envelope_info(context),
            u32(1) + u32(w), objects.plaintext(1, w, wrong[w], leg.seeds))
    header.envelopes = {w: sha(leg.envelopes[w]) for w in near}
    header.share_roots = {w: objects.share_root(context, 1, w, wrong[w]) for w in wrong}
    leg.header = signed(federation.sites[1].statement, header.encode())
    certificate = federation.to_certificate(made)
    answers = {w: federation.sites[w].unmask(context, certificate, made.inputs) for w in made.v1}
    shares = objects.Shares.decode(answers[2])
    u, index, item, path = shares.items[1]
    shares.items[1] = (u, index, bytes(40), path)
    refuses("responder 2", made.take_shares, 2, signed(federation.sites[2].statement, shares.encode()))
    for w, answer in answers.items():
        made.take_shares(w, answer)
    refuses("dealer 1", made.total)
    # A root that does not fit is seen before anybody accepts.
    header.share_roots[2] = bytes(32)
    other = Federation(4)
    again = other.open()
    for x in other.sites:
        other.sites[x].deal(again.round.context)
    bad = objects.Header.decode(other.sites[1].legs[again.round.context].header, again.round.neighbours)
    bad.share_roots[2] = bytes(32)
    other.sites[1].legs[again.round.context].header = signed(other.sites[1].statement, bad.encode())
    other.to_manifest(again)
    assert again.acks[2].refused[0][:2] == (1, objects.CODES["share root"])
    assert again.v1 == {1, 3, 4} or again.v1 == {2, 3, 4}


def test_terms_and_floors():
    federation = Federation(4, required=[4])
    made = federation.open()
    federation.to_manifest(made)
    for x in (1, 2, 3, 4):
        federation.upload(made, x)
    refuses("required site missing", federation.sites[1].sign, made.round.context, made.propose([1, 2, 3]), made.inputs)
    strict = Federation(4, minimum_honest=3)
    made = strict.open()
    strict.to_manifest(made)
    for x in (1, 2, 3, 4):
        strict.upload(made, x)
    refuses("below the floor", strict.sites[1].sign, made.round.context, made.propose([1, 2, 3]), made.inputs)
    low = Federation(4, quorum=2)
    refuses("quorum", low.open)
    picky = Federation(4)
    picky.sites[2].studies[STUDY].min_survivors = 4
    refuses("own floor", picky.open)
    picky.sites[3].studies[STUDY].model = sha(b"another")
    refuses("not the model of the last result", lambda: picky.open(only=[3]))


def test_lone_differences():
    federation = Federation(5, minimum_honest=3, max_lone_differences=1, colluders=1)
    outcomes = []
    for number, gone in enumerate([set(), {5}, set()], 1):
        federation.updates = {}
        made = federation.open(number)
        try:
            total = federation.finish(made, certificate := federation.to_certificate(
                made, lambda leg: gone if leg == "upload" else set()))
        except Refused as refusal:
            outcomes.append(str(refusal))
            continue
        federation.model = b"model %d" % (number + 1)
        result, parts = made.result(total, federation.model)
        for site in federation.sites.values():
            site.result(made.round.context, result, parts, certificate)
        outcomes.append("sum")
    assert outcomes == ["sum", "sum", "too many lone differences"], outcomes


def test_rosters():
    """A5: keys on two positions, keys that change without a voucher, names that no leaf binds, older rosters."""
    site = Federation(4).sites[1]

    def resigned(made, x, **changes):
        changed = made.entries[x - 1]
        for name, value in changes.items():
            setattr(changed, name, value)
        key = changes.get("key") or ENTRIES[x][1]
        changed.signature = key.sign(changed.signable(made.federation))
        return made.encode()

    twice = roster(4, 2)
    refuses("key on two positions", site.accept, resigned(twice, 2, xwing=twice.entries[2].xwing))
    refuses("names of a leaf", site.accept, resigned(roster(4, 2), 2, leaf=leaf("site-03")))
    refuses("signature", site.accept, roster(4, 2).encode()[:-1] + b"\0")
    refuses("two rosters of one epoch", site.accept, roster(5, 1).encode())
    refuses("keys are not vouched for", site.accept, roster(5, 2).encode())
    site.fingerprints.add(sha(entry(5).statement + entry(5).witness))
    site.accept(roster(5, 2).encode())
    refuses("older roster", site.accept, roster(4, 1).encode())

    # Position 2 has new keys: of its old key one signature is enough, of others a quorum of the roster before.
    def changed(epoch, kind, signers, since):
        made = roster(5, epoch)
        two, key = made.entries[1], ed("site-02 newer")
        two.statement, two.leaf = raw(key), leaf("site-02", keys=(key, ed("site-02 witness")))
        body = (b"fl/keys/v1 " + kind + b"\n" + lp(made.federation) + lp(two.site) + two.statement + two.witness
                + u64(since))
        two.since, two.vouches = since, [(made.entries[x - 1].site, ENTRIES[x][1].sign(body)) for x in signers]
        two.signature = key.sign(two.signable(made.federation))
        return made.encode()

    refuses("keys are not vouched for", site.accept, changed(3, b"vouch", [1, 3, 4], 3))
    refuses("signature", site.accept, changed(3, b"rotate", [1, 3, 4, 5], 3))
    refuses("keys are not vouched for", site.accept, changed(3, b"vouch", [1, 3, 4, 5], 2))
    refuses("own name among others", site.accept, changed(3, b"vouch", [1, 2, 3, 4], 3))
    site.accept(changed(3, b"vouch", [1, 3, 4, 5], 3))
    site = Federation(4).sites[1]
    site.accept(roster(4, 2).encode())
    site.fingerprints.add(sha(entry(5).statement + entry(5).witness))
    site.accept(changed(3, b"rotate", [2], 3))


def main():
    only = sys.argv[2:]
    for name, test in [*vars(secure_vector_tests).items(), *vars(secure_sum_explorer).items(),
                       *globals().items()]:
        if name.startswith("test_") and (not only or name[5:] in only):
            print(f"{name[5:].replace('_', ' ')}: {test() or 'held'}", flush=True)
