# SPDX-License-Identifier: Apache-2.0
# An aggregator and a federation of Python sites of the secure sum, as far as tests need them.
"""The aggregator checks what a site sends; whom it blames is the text of `Refused`."""

import collections
import random

from cryptography import x509

import secure_arithmetic as arithmetic
import secure_objects as objects
import secure_roster as rosters
from make_enrolment_vectors import FEDERATION, ISSUING_DER, ed, leaf, raw
from secure_bytes import Refused, require, sha, verified
from secure_envelope import XWing
from secure_round import Round
from secure_sum import Site, Study, Update, signed

KEY = ed("aggregator")
ISSUER = x509.load_der_x509_certificate(ISSUING_DER)
STUDY, PLAN, POLICY = sha(b"study"), sha(b"plan"), sha(b"policy")
SECTIONS = [(5, 19, 16), (2, 64, 32), (4, 32, 2)]


class Aggregator:
    """One attempt. What a site sent is checked; blame is the text of `Refused`."""

    def __init__(self, made):
        self.round = made
        self.headers, self.envelopes, self.acks = {}, {}, {}
        self.uploads, self.inputs, self.signatures, self.shares = {}, {}, {}, {}

    def take_deal(self, u, header, envelopes):
        self.round.header(header, u)
        self.headers[u], self.envelopes[u] = header, envelopes

    def take_ack(self, u, data):
        ack = objects.Ack.decode(data, self.round.task.n)
        verified(self.round.key(u), ack.signature, ack.body)
        require(ack.context == self.round.context and ack.site == u, "ack")
        self.acks[u] = ack

    def manifest(self):
        """V1: the site with most missing acceptances goes until all accept each other."""
        members = set(self.headers) & set(self.acks)
        while True:
            missing = collections.Counter()
            for u in members:
                for v in members & set(self.round.neighbours[u]):
                    if v not in self.acks[u].accepted:
                        missing[u] += 1
                        missing[v] += 1
            if not missing:
                break
            members.remove(max(members, key=lambda x: (missing[x], x)))
        self.round.permitted(sorted(members))
        self.v1 = members
        return self.signed_manifest(members)

    def signed_manifest(self, members):
        made = objects.Manifest(self.round.context, {x: sha(self.headers[x]) for x in members})
        self.manifest_body = made.encode(self.round.task.n)
        return signed(KEY, self.manifest_body)

    def take_upload(self, u, chunks, statement):
        made = self.round.input(statement, u, sha(self.manifest_body))
        require(arithmetic.root([arithmetic.leaf(chunk) for chunk in chunks]) == made.root, "root")
        self.uploads[u], self.inputs[u] = arithmetic.vector_of(chunks, self.round.task.sections), statement

    def propose(self, members=None):
        self.members = sorted(self.inputs) if members is None else members
        inputs = sha(b"".join(self.inputs[x] for x in self.members))
        made = objects.SurvivorSet(self.round.context, sha(self.manifest_body), self.members, inputs)
        self.body = made.encode(self.round.task.n)
        return self.body + KEY.sign(objects.proposable(self.body))

    def certificate(self):
        require(len(self.signatures) >= self.round.task.quorum, "too few signatures")
        return self.body + objects.signatures(self.signatures)

    def take_shares(self, w, data):
        made = objects.Shares.decode(data)
        verified(self.round.key(w), made.signature, made.body)
        require((made.context, made.set_hash, made.holder) == (self.round.context, sha(self.body), w), "shares")
        wanted = objects.released(w, self.v1, set(self.members), self.round.neighbours)
        require([item[:2] for item in made.items] == wanted, f"responder {w}")
        for u, index, item, path in made.items:
            header = objects.Header.decode(self.headers[u], self.round.neighbours)
            node = objects.share_leaf(self.round.context, u, w, index, item)
            try:
                good = arithmetic.root_of_path(node, index, len(header.secrets), path) == header.share_roots[w]
            except Refused:
                good = False
            require(good, f"responder {w}")
        for u, index, item, _ in made.items:
            self.shares.setdefault((u, index), {})[w] = item

    def total(self):
        """The sum's ring elements, once every secret has its t shares."""
        made, sections = self.round, self.round.task.sections
        total = [[0] * entries for entries, _, _ in sections]
        for x in self.members:
            total = arithmetic.add(total, self.uploads[x], sections)
        wanted = set().union(*(objects.released(w, self.v1, set(self.members), made.neighbours) for w in self.v1))
        for u, index in sorted(wanted):
            items = self.shares.get((u, index), {})
            require(len(items) >= made.task.threshold, "too few shares")
            header = objects.Header.decode(self.headers[u], made.neighbours)
            try:
                secret = arithmetic.rebuild(dict(sorted(items.items())[:made.task.threshold]))
            except Refused:
                raise Refused(f"dealer {u}") from None
            require(objects.commitment(made.context, secret) == header.secrets[index], f"dealer {u}")
            mask = arithmetic.mask(arithmetic.mask_key(secret, made.context, b"pair" if index else b"self"), sections)
            total = arithmetic.add(total, mask, sections, 1 if index and u not in self.members else -1)
        require(total[-1] == [len(self.members)] * 4, "check lanes")
        return total

    def result(self, total, model):
        parts = arithmetic.chunks(total, self.round.task.sections)
        made = objects.Result(self.round.context, sha(self.body), objects.sum_hash(parts), sha(model))
        return signed(KEY, made.encode()), parts


# ---- A federation of n sites -----------------------------------------------------------------------------------------

ENTRIES = {}


def entry(x, epoch=1):
    """An unsigned part is made once per site: certificates and keys are the slow part."""
    if x not in ENTRIES:
        name, statement = f"site-{x:02}", ed(f"site-{x:02} statement")
        xwing = XWing(sha(name.encode()))
        ENTRIES[x] = (name, statement, xwing, leaf(name))
    name, statement, xwing, certificate = ENTRIES[x]
    made = rosters.Entry(name.encode(), certificate, raw(statement), raw(ed(f"{name} witness")), xwing.public,
                         bytes(32), epoch, 0, [])
    made.signature = statement.sign(made.signable(FEDERATION.encode()))
    return made


def roster(n, epoch=1):
    return rosters.Roster(FEDERATION.encode(), STUDY, epoch, bytes(32), 0, bytes(32),
                          [entry(x, epoch) for x in range(1, n + 1)])


class Federation:
    def __init__(self, n, graph=None, **terms):
        self.n, self.model, self.random = n, b"model 1", random.Random(n)
        self.order, (k, t, m) = (graph[0], graph[1:]) if graph else (None, (n - 1, 2 * n // 3 + 1, 0))
        self.roster = roster(n)
        self.sites = {x: Site(self.roster.entries[x - 1].site, ENTRIES[x][1], ENTRIES[x][2], raw(KEY), ISSUER)
                      for x in range(1, n + 1)}
        self.hash = sha(self.roster.encode())
        self.terms = {"quorum": 2 * n // 3 + 1, "threshold": t, "neighbours": k, "window": m, "min_survivors": 3,
                      "minimum_honest": 2, "colluders": (n - 1) // 3, "max_lone_differences": 100, "required": [],
                      "strict": 0} | terms
        for site in self.sites.values():
            site.accept(self.roster.encode())
            site.studies[STUDY] = Study(sha(self.model), minimum_honest=1)
        self.updates = {}

    def task(self, attempt):
        return rosters.Task(STUDY, rosters.TRAINING, attempt, PLAN, SECTIONS, self.n, **self.terms, policy=POLICY)

    def open(self, number=1, attempt=1, proofs=(), only=None):
        task = self.task(attempt)
        for x in only or self.sites:
            context = self.sites[x].open(self.hash, task.encode(), {b"model": self.model}, number, proofs, self.order)
        return Aggregator(Round(context, self.roster, task, raw(KEY), number, order=self.order))

    def update(self, x):
        if x not in self.updates or self.updates[x].state == "spent":
            self.updates[x] = Update([[self.random.randint(-32767, 32767) for _ in range(5)],
                                      [self.random.randint(1 - 2 ** 31, 2 ** 31 - 1) for _ in range(2)]])
        return self.updates[x]

    def deal(self, made, lost=frozenset(), undelivered=frozenset()):
        alive = [x for x in self.sites if x not in lost]
        for u in alive:
            made.take_deal(u, *self.sites[u].deal(made.round.context))
        for u in alive:
            for v in set(made.round.neighbours[u]) & set(alive):
                if (u, v) not in undelivered:
                    self.sites[v].receive(made.round.context, u, made.headers[u], made.envelopes[u][v])

    def to_manifest(self, made, lost=lambda leg: set(), undelivered=frozenset()):
        self.deal(made, lost("deal"), undelivered)
        for u in set(made.headers) - lost("ack"):
            made.take_ack(u, self.sites[u].ack(made.round.context))
        manifest = made.manifest()
        for u in made.v1 - lost("bind"):
            self.sites[u].bind(made.round.context, manifest)
        return manifest

    def upload(self, made, x):
        made.take_upload(x, *self.sites[x].upload(made.round.context, self.update(x)))

    def to_certificate(self, made, lost=lambda leg: set(), undelivered=frozenset()):
        self.to_manifest(made, lost, undelivered)
        for u in made.v1 - lost("upload"):
            self.upload(made, u)
        proposal = made.propose()
        for u in set(made.members) - lost("sign"):
            made.signatures[u] = self.sites[u].sign(made.round.context, proposal, made.inputs)
        return made.certificate()

    def finish(self, made, certificate, lost=lambda leg: set()):
        for w in made.v1 - lost("unmask"):
            made.take_shares(w, self.sites[w].unmask(made.round.context, certificate, made.inputs))
        return made.total()

    def expected(self, members):
        return [[sum(column) for column in zip(*(self.updates[x].values[s] for x in members))] for s in range(2)]

    def void(self, made, signers):
        return objects.void(made.round.context) + objects.signatures(
            {x: self.sites[x].void(made.round.context, self.hash) for x in signers})
