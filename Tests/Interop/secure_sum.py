#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# A site of the secure sum in Python, with every guard of the design: bytes in, bytes out. It shares no code with Swift.
"""
Usage: secure_sum.py --self-test [TEST …]

A second implementation of the site's half: legs R0 to R5 and void. What the design calls durable is kept in the object;
nothing here waits, sends or reads a clock. Needs the package `cryptography` 48 or newer.
"""

import dataclasses
import os
import sys

import secure_arithmetic as arithmetic
import secure_envelope as envelopes
import secure_objects as objects
import secure_roster as rosters
from secure_bytes import Refused, ascending, lp, require, sha, u32, u64, verified
from secure_round import Round, check_leaf, distinct

LANES = 4


def signed(key, body):
    return body + key.sign(body)


@dataclasses.dataclass
class Update:
    """What one run of training gave. Its life: fresh, exposed in a context, free again or spent."""
    values: list
    state: str = "fresh"
    context: bytes = b""
    claim: tuple = ()            # study and round: a later round needs another update


@dataclasses.dataclass
class Study:
    """What an officer approved, and what this site remembers of the study."""
    model: bytes                 # SHA-256 of the blob `model` of the next round
    min_survivors: int = 3
    minimum_honest: int = 3
    highest: tuple = (0, 0)      # round and attempt, claims only rise
    used: set = dataclasses.field(default_factory=set)  # models on which this site released or spent an update
    previous: list = dataclasses.field(default_factory=list)  # U of the last release
    lone: int = 0                # releases whose U differed from the one before by a few sites only


@dataclasses.dataclass
class Leg:
    """One context at one site. `state` is a name of 4.1 of the design; Closed ones carry their reason."""
    round: Round
    position: int
    state: str = "Open"
    header: bytes = b""
    envelopes: dict = dataclasses.field(default_factory=dict)
    self_seed: bytes = b""
    seeds: dict = dataclasses.field(default_factory=dict)      # pair seeds, own and received, by the other end
    items: dict = dataclasses.field(default_factory=dict)      # share items held here, by dealer
    accepted: dict = dataclasses.field(default_factory=dict)   # SHA-256 of the header, by dealer
    refused: dict = dataclasses.field(default_factory=dict)    # (code, SHA-256 of the header), by dealer
    manifest: bytes = b""
    update: Update | None = None
    chunks: list = dataclasses.field(default_factory=list)
    input: bytes = b""
    set: bytes = b""
    set_signature: bytes = b""
    released: bytes = b""                                      # SHA-256 of the set
    shares: bytes = b""

    def within(self, *states):
        require(self.state in states, "not in this state")

    def close(self, reason):
        """Wipes what could unmask anything; outcome and statements stay."""
        self.state = f"Closed({reason})"
        self.self_seed, self.seeds, self.items, self.envelopes, self.chunks = b"", {}, {}, {}, []

    @property
    def closed(self):
        return self.state.startswith("Closed")

    def settle(self, state):
        if self.update and self.update.state == "exposed" and self.update.context == self.round.context:
            self.update.state = state


class Site:
    """One hospital over many contexts. Methods take and give bytes; `Refused` means: refuse, log, stay."""

    def __init__(self, name, statement, xwing, aggregator, issuer, draw=os.urandom):
        self.name, self.statement, self.xwing = name, statement, xwing
        self.aggregator, self.issuer, self.draw = aggregator, issuer, draw
        self.studies, self.rosters, self.legs, self.claims, self.voids = {}, {}, {}, {}, {}
        self.latest, self.fingerprints, self.evidence = None, set(), []
        self.barred = -1  # the last epoch in which this site may have answered before a backup was restored

    # -- R0 and R0' ----------------------------------------------------------------------------------------------------

    def accept(self, data):
        """R0: a roster of this site's studies. Returns its hash. The log's proof is checked by the caller."""
        roster = rosters.Roster.decode(data)
        require(len(roster.entries) >= 3, "fewer than three sites")
        for entry in roster.entries:
            verified(entry.statement, entry.signature, entry.signable(roster.federation))
            check_leaf(entry, roster.federation, self.issuer)
            envelopes.check_public(entry.xwing)
        for field in ("statement", "witness", "xwing", "leaf"):
            distinct([getattr(entry, field) for entry in roster.entries])
        distinct([key for entry in roster.entries for key in (entry.statement, entry.witness)])
        own = [entry for entry in roster.entries if entry.site == self.name]
        require(bool(own) and own[0].xwing == self.xwing.public
                and own[0].statement == self.statement.public_key().public_bytes_raw(), "own entry")
        if self.latest:
            require(roster.epoch >= self.latest.epoch and roster.deny_number >= self.latest.deny_number, "older roster")
            require(roster.epoch > self.latest.epoch or roster == self.latest, "two rosters of one epoch")
            known = {entry.site: entry for entry in self.latest.entries}
            for entry in roster.entries:
                self.continuous(entry, known.get(entry.site), roster)
        self.latest = roster
        self.rosters[sha(data)] = roster
        return sha(data)

    def continuous(self, entry, before, roster):
        """A5 (2), (3): the same keys, or the old key's signature, or a quorum of the last roster, or my officer."""
        if before and (before.statement, before.witness) == (entry.statement, entry.witness):
            return
        body = lambda name: (b"fl/keys/v1 " + name + b"\n" + lp(roster.federation)
                             + lp(entry.site) + entry.statement + entry.witness + u64(entry.since))
        if not before and sha(entry.statement + entry.witness) in self.fingerprints:
            return
        require(bool(entry.vouches) and entry.since > self.latest.epoch, "keys are not vouched for")
        if before and entry.vouches[0][0] == entry.site:
            return verified(before.statement, entry.vouches[0][1], body(b"rotate"))
        known = {member.site: member.statement for member in self.latest.entries}
        require(len(entry.vouches) >= 2 * len(known) // 3 + 1, "keys are not vouched for")
        for name, signature in entry.vouches:
            require(name in known and name != entry.site, "keys are not vouched for")
            verified(known[name], signature, body(b"vouch"))

    def open(self, roster_hash, task_bytes, blobs, number, proofs=(), order=None):
        """R0': claims (study, round, attempt) for the context, which it returns. `proofs` end earlier attempts."""
        require(roster_hash in self.rosters, "roster unknown")
        roster, task = self.rosters[roster_hash], rosters.Task.decode(task_bytes)
        require(roster.epoch > self.barred, "restored in this epoch")
        require(task.study in self.studies and task.study == roster.study, "study not approved")
        study = self.studies[task.study]
        self.terms(task, roster, study, order)
        require(b"model" in blobs, "no blob model")
        model = sha(blobs[b"model"])
        context = rosters.context_hash(roster_hash, rosters.inputs_hash(blobs), sha(task_bytes), number)
        claim = (task.study, number, task.attempt)
        if self.claims.get(claim) == context:
            return context
        require(claim not in self.claims and (number, task.attempt) > study.highest, "claimed by another context")
        require(context not in self.voids, "void was signed")
        require(model == study.model, "not the model of the last result")
        for proof in proofs:
            self.settle(proof)
        mine = [leg for leg in self.legs.values() if leg.round.task.study == task.study and not leg.closed]
        for leg in mine:
            require(not (leg.update and leg.update.state == "exposed") and not leg.released, "an attempt is still open")
        require(task.kind != rosters.TRAINING or model not in study.used, "model was summed")
        for leg in mine:
            leg.close("abandoned")
        self.claims[claim], study.highest = context, (number, task.attempt)
        made = Round(context, roster, task, self.aggregator, number, model, order)
        position = 1 + [entry.site for entry in roster.entries].index(self.name)
        self.legs[context] = Leg(made, position)
        return context

    def terms(self, task, roster, study, order):
        n, quorum = len(roster.entries), task.quorum
        require(task.n == n and quorum <= n and 2 * quorum - n - 1 >= task.colluders, "quorum")
        require(task.colluders >= (n - 1) // 3 or quorum == n, "colluders")
        if order is None:
            require(n <= 100 and (task.threshold, task.neighbours, task.window) == (quorum, n - 1, 0), "graph")
        else:
            require(sorted(order) == list(range(1, n + 1)) and task.neighbours % 2 == 0
                    and 0 < task.window <= task.neighbours // 2 < task.threshold <= task.neighbours + 1, "graph")
        require(task.min_survivors >= study.min_survivors and task.minimum_honest >= study.minimum_honest, "own floor")
        require(bool(task.sections) and task.sections[-1][:2] == (LANES, 32), "check lanes")

    def leg(self, context):
        require(context in self.legs, "unknown context")
        return self.legs[context]

    # -- R1 ------------------------------------------------------------------------------------------------------------

    def deal(self, context):
        """R1: (header, {neighbour: envelope}), the same bytes every time."""
        leg = self.leg(context)
        if leg.state == "Open":
            made, u, rho = leg.round, leg.position, self.draw(32)
            near = made.neighbours[u]
            leg.seeds = {w: objects.dealt(rho, context, b"pair", w) for w in objects.above(u, near)}
            secrets = [objects.dealt(rho, context, b"self"), *leg.seeds.values()]
            leg.self_seed = secrets[0]
            shared = [arithmetic.coefficients(objects.dealt(rho, context, b"poly", i), made.task.threshold)
                      for i in range(len(secrets))]
            items = {w: [arithmetic.share(s, c, w) for s, c in zip(secrets, shared)] for w in objects.holders(u, near)}
            leg.items[u] = items[u]
            leg.envelopes = {w: envelopes.sealed(
                made.roster.entries[w - 1].xwing, objects.envelope_info(context), u32(u) + u32(w),
                objects.plaintext(u, w, items[w], leg.seeds)) for w in near}
            header = objects.Header(context, u, [objects.commitment(context, secret) for secret in secrets],
                                    {w: sha(leg.envelopes[w]) for w in near},
                                    {w: objects.share_root(context, u, w, items[w]) for w in items})
            leg.header, leg.state = signed(self.statement, header.encode()), "Dealt"
        leg.within("Dealt", "Acked", "Bound", "Exposed", "SetSigned", "Released")
        return leg.header, leg.envelopes

    def receive(self, context, dealer, header, envelope):
        """A dealer's header and envelope. A fault becomes a code in the ack, not an error."""
        leg = self.leg(context)
        leg.within("Dealt", "Acked")
        made, w = leg.round, leg.position
        require(dealer in made.neighbours[w], "not a neighbour")
        if dealer in leg.accepted:
            return require(leg.accepted[dealer] == sha(header), "second header")
        try:
            seen = made.header(header, dealer)
            require(seen.envelopes[w] == sha(envelope), "envelope hash")
            plain = envelopes.opened(self.xwing, objects.envelope_info(context), u32(dealer) + u32(w), envelope)
            items, seed = objects.read_plaintext(plain, dealer, w, made.neighbours[dealer])
            require(objects.share_root(context, dealer, w, items) == seen.share_roots[w], "share root")
            if seed is not None:
                index = 1 + objects.above(dealer, made.neighbours[dealer]).index(w)
                require(objects.commitment(context, seed) == seen.secrets[index], "pair seed")
                leg.seeds[dealer] = seed
        except Refused as fault:
            leg.refused[dealer] = (objects.CODES.get(str(fault), objects.CODES["malformed"]), sha(header))
            return None
        leg.accepted[dealer], leg.items[dealer] = sha(header), items
        leg.refused.pop(dealer, None)
        return None

    def ack(self, context):
        leg = self.leg(context)
        leg.within("Dealt", "Acked")
        leg.state = "Acked"
        refused = [(dealer, *leg.refused[dealer]) for dealer in sorted(leg.refused)]
        ack = objects.Ack(context, leg.position, sorted(leg.accepted), refused)
        return signed(self.statement, ack.encode(leg.round.task.n))

    def bind(self, context, data):
        """R1'': the manifest, one per context."""
        leg = self.leg(context)
        if leg.manifest:
            if data != leg.manifest:
                leg.round.manifest(data)  # evidence only if the aggregator signed it
                self.evidence.append((leg.manifest, data))
                if leg.state == "Bound":
                    leg.close("refused")
                raise Refused("second manifest")
            return
        leg.within("Acked")
        manifest = leg.round.manifest(data)
        leg.round.permitted(list(manifest.headers))
        headers = leg.accepted | {leg.position: sha(leg.header)}
        near = set(leg.round.neighbours[leg.position] + [leg.position])
        if leg.position not in manifest.headers or any(
                headers.get(x) != manifest.headers[x] for x in near & set(manifest.headers)):
            leg.close("refused")
            raise Refused("not bound")
        leg.manifest, leg.state = data, "Bound"

    # -- R2 ------------------------------------------------------------------------------------------------------------

    def upload(self, context, update):
        """R2: (chunks, input statement), the same bytes every time. From here on the update is exposed."""
        leg = self.leg(context)
        if leg.input:
            require(update is leg.update and not leg.closed, "another update")
            return leg.chunks, leg.input
        leg.within("Bound")
        claim = (leg.round.task.study, leg.round.number)
        require(update.state in ("fresh", "free") and update.claim in ((), claim), "update was sent")
        sections, manifest = leg.round.task.sections, leg.round.manifest(leg.manifest)
        vector = arithmetic.encoded([*update.values, [1] * LANES], sections)
        own = arithmetic.mask(arithmetic.mask_key(leg.self_seed, context, b"self"), sections)
        vector = arithmetic.add(vector, own, sections)
        for v in leg.round.neighbours[leg.position]:
            if v in manifest.headers:
                mask = arithmetic.mask(arithmetic.mask_key(leg.seeds[v], context, b"pair"), sections)
                vector = arithmetic.add(vector, mask, sections, 1 if leg.position < v else -1)
        chunks = arithmetic.chunks(vector, sections)
        root = arithmetic.root([arithmetic.leaf(chunk) for chunk in chunks])
        statement = objects.Input(context, sha(manifest.body), leg.position, leg.round.entries, root)
        leg.chunks, leg.input, leg.update = chunks, signed(self.statement, statement.encode()), update
        update.state, update.context, update.claim, leg.state = "exposed", context, claim, "Exposed"
        return leg.chunks, leg.input

    def receipt(self, context, data):
        """The aggregator's word that it has this site's upload: proof, should the site then be left out."""
        leg = self.leg(context)
        body = objects.receipt(context, leg.input)
        require(bool(leg.input) and data[:len(body)] == body and len(data) == len(body) + 64, "receipt")
        verified(self.aggregator, data[len(body):], body)

    # -- R3 and R4 -----------------------------------------------------------------------------------------------------

    def judge(self, leg, made, inputs):
        leg.round.survivors(made, leg.round.manifest(leg.manifest), inputs, leg.position)
        if leg.position in made.members:
            require(bool(leg.input) and inputs[leg.position] == leg.input, "own input")
        study = self.studies[leg.round.task.study]
        require(leg.round.task.kind != rosters.TRAINING or not leg.round.is_lone(made.members, study.previous)
                or study.lone < leg.round.task.max_lone_differences, "too many lone differences")

    def sign(self, context, proposal, inputs):
        """R3: this site's signature over the set."""
        leg = self.leg(context)
        made, body, signature = objects.read_proposal(proposal, leg.round.task.n)
        verified(self.aggregator, signature, objects.proposable(body))
        if leg.set:
            if body != leg.set:
                self.evidence.append((leg.set, proposal))
                raise Refused("second proposal")
            require(leg.closed or leg.state in ("SetSigned", "Released"), "void was signed")
            return leg.set_signature
        leg.within("Exposed")
        require(leg.position in made.members, "not a member")
        self.judge(leg, made, inputs)
        leg.set, leg.set_signature, leg.state = body, self.statement.sign(body), "SetSigned"
        return leg.set_signature

    def unmask(self, context, certificate, inputs):
        """R4: the shares for a certified set, once. Nothing after a void was signed, but an excluded update is free."""
        leg = self.leg(context)
        made, body = leg.round.certificate(certificate)
        if leg.released:
            require(leg.released == sha(body), "another set was released")
            return leg.shares
        if leg.state == "VoidSigned":
            self.excluded(leg, made)
            raise Refused("void was signed")
        leg.within("Bound", "Exposed", "SetSigned")
        self.judge(leg, made, inputs)
        manifest, w = leg.round.manifest(leg.manifest), leg.position
        shares = objects.Shares(context, sha(body), w, [])
        for u, index in objects.released(w, set(manifest.headers), set(made.members), leg.round.neighbours):
            leaves = [objects.share_leaf(context, u, w, i, item) for i, item in enumerate(leg.items[u])]
            shares.items.append((u, index, leg.items[u][index], arithmetic.path(leaves, index)))
        leg.released = sha(body)
        leg.shares, leg.state = signed(self.statement, shares.encode()), "Released"
        self.studies[leg.round.task.study].used.add(leg.round.model)
        if w not in made.members:
            leg.settle("free")
        return leg.shares

    def excluded(self, leg, made):
        if leg.position not in made.members:
            leg.settle("free")
            if not leg.released:
                leg.close("excluded")

    # -- R5, void, ends ------------------------------------------------------------------------------------------------

    def result(self, context, data, parts, certificate):
        """R5: the sums of a certified set, whether this site released or not. The caller checks the log's proof."""
        leg = self.leg(context)
        made = objects.Result.decode(data)
        verified(self.aggregator, made.signature, made.body)
        certified, body = leg.round.certificate(certificate)
        members = certified.members
        require((made.context, made.set_hash) == (context, sha(body)), "result of another set")
        require(leg.released in (b"", sha(body)), "another set was released")
        require(made.sum_hash == objects.sum_hash(parts), "hash of the sum")
        total = arithmetic.vector_of(parts, leg.round.task.sections)
        require(total[-1] == [len(members)] * LANES, "check lanes")
        study = self.studies[leg.round.task.study]
        if leg.update and leg.update.state == "exposed" and leg.position in members:
            study.used.add(leg.round.model)
        leg.settle("spent" if leg.position in members else "free")
        if not leg.closed:
            leg.close("included" if leg.position in members else "excluded")
            study.lone += leg.round.is_lone(members, study.previous)
            study.previous = members
            study.model = made.model_hash if any(made.model_hash) else study.model
        return arithmetic.decoded(total, leg.round.task.sections, len(members))[:-1]

    def void(self, context, roster_hash):
        """A promise: no shares and no set in this context. The site may not have joined it, and then never will."""
        require(roster_hash in self.rosters, "roster unknown")
        require(self.rosters[roster_hash].epoch > self.barred, "restored in this epoch")
        if context in self.voids:
            return self.voids[context]
        leg = self.legs.get(context)
        if leg:
            require(not leg.released, "released")
            states = ["Open", "Dealt", "Acked", "Bound", "Exposed", "Closed(refused)"]
            leg.within(*states, *(["SetSigned"] if leg.round.order is None else []))
            if not leg.closed:
                leg.state = "VoidSigned"
        self.voids[context] = self.statement.sign(objects.void(context))
        if leg and not leg.closed and leg.round.task.quorum == leg.round.task.n:
            self.end_void(leg)  # nothing can be rebuilt without this site
        return self.voids[context]

    def end_void(self, leg):
        # With the complete graph a void shows that fewer than t have released: this site's release showed nothing.
        require(not leg.released or leg.round.order is None, "released")
        self.studies[leg.round.task.study].used.discard(leg.round.model)
        leg.settle("free")
        leg.close("voided")

    def settle(self, proof):
        """What ends an earlier attempt: a void certificate, or a certificate of a set without this site."""
        for leg in self.legs.values():
            for read, end in ((leg.round.void_certificate, lambda _, leg=leg: self.end_void(leg)),
                              (leg.round.certificate, lambda made, leg=leg: self.excluded(leg, made[0]))):
                try:
                    found = read(proof)
                except Refused:
                    continue
                return None if leg.closed else end(found)
        raise Refused("proof of nothing")

    def abandon(self, context):
        """The epoch is long over, or an officer's order."""
        leg = self.leg(context)
        if not leg.closed:
            if leg.update and leg.update.state == "exposed":
                self.studies[leg.round.task.study].used.add(leg.round.model)
            leg.settle("spent")
            leg.close("abandoned")

    def restored(self, epoch):
        """A backup was restored in this epoch (A2): what was sent since is unknown, so nothing more is sent in it."""
        self.barred = epoch
        for context in self.legs:
            self.abandon(context)


if __name__ == "__main__":
    if sys.argv[1:2] != ["--self-test"]:
        sys.exit(__doc__)
    import secure_sum_tests
    secure_sum_tests.main()
