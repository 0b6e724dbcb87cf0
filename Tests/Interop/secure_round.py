# SPDX-License-Identifier: Apache-2.0
# What everybody knows of one round of the secure sum, and the checks that any reader of its objects makes.
"""Signers, contexts, admissible sets, floors; and what a leaf certificate must bind."""

import base64
import dataclasses

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

import secure_objects as objects
import secure_roster as rosters
from secure_bytes import Refused, require, sha, verified


@dataclasses.dataclass
class Round:
    """What everybody knows of one context: roster, terms and graph. Its checks are those of any reader."""
    context: bytes
    roster: rosters.Roster
    task: rosters.Task
    aggregator: bytes
    number: int = 0
    model: bytes = b""
    order: list | None = None
    frozen: list | None = None   # U of the first exact release of a statistic

    def __post_init__(self):
        self.neighbours = (rosters.ring_neighbours(self.order, self.task.neighbours) if self.order
                           else rosters.complete(self.task.n))

    @property
    def entries(self):
        return sum(section[0] for section in self.task.sections)

    def key(self, position):
        return self.roster.entries[position - 1].statement

    def floors(self, members):
        task = self.task
        least = max(task.quorum, task.min_survivors, task.minimum_honest + task.colluders)
        require(len(members) >= least, "below the floor")
        require(set(task.required) <= set(members), "required site missing")

    def permitted(self, members):
        rosters.admissible(members, self.task, self.neighbours, self.order)
        self.floors(members)

    def header(self, data, dealer):
        header = objects.Header.decode(data, self.neighbours)
        require(header.dealer == dealer, "dealer")
        verified(self.key(dealer), header.signature, header.body)
        require(header.context == self.context, "context")
        return header

    def manifest(self, data):
        manifest = objects.Manifest.decode(data, self.task.n)
        verified(self.aggregator, manifest.signature, manifest.body)
        require(manifest.context == self.context, "context")
        return manifest

    def input(self, data, site, manifest_hash):
        statement = objects.Input.decode(data)
        require(statement.site == site and statement.entries == self.entries, "input")
        verified(self.key(site), statement.signature, statement.body)
        require((statement.context, statement.manifest) == (self.context, manifest_hash), "manifest of an input")
        return statement

    def survivors(self, made, manifest, inputs, around):
        """R3 on a set, and again at R4: `inputs` are statements by position, at least those of N[around] within U."""
        manifest_hash = sha(manifest.body)
        require(made.context == self.context, "context")
        require(made.manifest == manifest_hash, "manifest of a set")
        require(set(made.members) <= set(manifest.headers), "U outside V1")
        self.permitted(made.members)
        require(made.members == self.frozen or not self.frozen, "U is not the frozen one")
        # With a graph a site may be given its neighbourhood only, and then cannot recompute the set's hash of inputs.
        near = made.members if self.order is None else [
            x for x in made.members if x in inputs or x in self.neighbours[around] + [around]]
        for x in near:
            require(x in inputs, "input missing")
            self.input(inputs[x], x, manifest_hash)
        if near == made.members:
            require(sha(b"".join(inputs[x] for x in near)) == made.inputs, "hash of the inputs")

    def is_lone(self, members, previous):
        """Whether the difference of two released sums would stand for a few sites only (A21)."""
        return bool(previous) and 1 <= len(set(members) ^ set(previous)) < self.task.minimum_honest

    def certificate(self, data):
        made, body, signatures = objects.read_certificate(data, self.task.n, self.task.quorum)
        require(made.context == self.context, "context")
        for x, signature in signatures.items():
            verified(self.key(x), signature, body)
        return made, body

    def void_certificate(self, data):
        context, signatures = objects.read_void_certificate(data, self.task.n, self.task.quorum)
        require(context == self.context, "context")
        for x, signature in signatures.items():
            verified(self.key(x), signature, objects.void(context))


def check_leaf(entry, federation, issuer):
    """A5 (1): the leaf of the issuing certificate binds this site's name and both keys."""
    try:
        certificate = x509.load_der_x509_certificate(entry.leaf)
        issuer.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes,
                                   ECDSA(certificate.signature_hash_algorithm))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (InvalidSignature, ValueError, x509.ExtensionNotFound):
        raise Refused("leaf") from None
    digest = base64.urlsafe_b64encode(sha(b"fl/keys/v1\n" + entry.statement + entry.witness)).rstrip(b"=")
    wanted = [b"fl://" + federation + b"/site/" + entry.site, b"fl://" + federation + b"/keys/" + digest]
    found = names.get_values_for_type(x509.UniformResourceIdentifier)
    require(sorted(found) == sorted(name.decode() for name in wanted), "names of a leaf")


def distinct(values):
    require(len(set(values)) == len(values), "key on two positions")
