# SPDX-License-Identifier: Apache-2.0
# Objects of the secure sum that must be refused, each made from a good round and signed as well as the fault allows.
"""`stage` is `decode` when the bytes alone show the fault, else `check`: what the round's other objects show."""

import dataclasses

import secure_objects as objects
import secure_roster as rosters
from secure_arithmetic import P
from secure_bytes import label, sha, u32

N = 7


def negatives(made, graphs, statement, aggregator):
    """The list of {name, object, stage, wrong, bytes} and, where one is needed, further bytes of the case."""
    context, cases = made["context"], []

    def case(name, kind, stage, wrong, data, **more):
        cases.append({"name": name, "object": kind, "stage": stage, "wrong": wrong, "bytes": data, **more})

    def signed(key, body):
        return body + key.sign(body)

    def manifest(members):
        return objects.Manifest(context, {x: sha(made["sites"][x]["header"]) for x in members}).encode(N)

    def proposed(members, manifest_hash=made["manifest_hash"]):
        inputs = sha(b"".join(made["sites"][x]["input"] for x in members))
        body = objects.SurvivorSet(context, manifest_hash, members, inputs).encode(N)
        return body, body + aggregator.sign(objects.proposable(body))

    def certified(body, signers):
        return body + u32(len(signers)) + b"".join(u32(x) + statement[x].sign(body) for x in signers)

    good = made["sites"]

    # Manifest
    case("second manifest", "manifest", "check", "a good manifest, but another one was taken in this context",
         signed(aggregator, manifest([1, 2, 4, 5, 6, 7])))
    case("V1 below Q", "manifest", "check", "four members, the quorum is five",
         signed(aggregator, manifest([1, 2, 3, 4])))
    case("V1 without a required site", "manifest", "check", "site 4 is required by the task",
         signed(aggregator, manifest([1, 2, 3, 5, 6, 7])))
    altered = objects.Manifest.decode(made["manifest"], N)
    altered.headers[3] = bytes(32)
    case("another header", "manifest", "check", "the hash of site 3's header is not that of the header it sent",
         signed(aggregator, altered.encode(N)))
    case("manifest signed by a site", "manifest", "check", "signed by site 1, not by the aggregator",
         signed(statement[1], manifest(range(1, 8))))
    spare = bytearray(manifest(range(1, 8)))
    spare[len(label(b"manifest")) + 32] |= 0x80
    case("spare bits in V1", "manifest", "decode", "bit 7 of the bitmap names position 8 of 7",
         signed(aggregator, bytes(spare)))

    # Set, proposal, certificate
    six = manifest([1, 2, 3, 4, 5, 6])
    body, proposal = proposed([1, 2, 4, 5, 7], sha(six))
    case("U outside V1", "proposal", "check", "site 7 is in U but not in V1 of this manifest", proposal,
         manifest=signed(aggregator, six))
    case("second proposal", "proposal", "check", "a good proposal, but another set was signed in this context",
         proposed([1, 2, 4, 5, 6])[1])
    case("U below Q", "proposal", "check", "four members, the quorum is five", proposed([1, 2, 4, 5])[1])
    case("U without a required site", "proposal", "check", "site 4 is required by the task",
         proposed([1, 2, 5, 6, 7])[1])
    case("set under another manifest", "proposal", "check", "its manifest hash is not that of the round's manifest",
         proposed(made["survivors"], sha(six))[1])
    body = made["set"]
    case("proposal signed by a site", "proposal", "check", "signed by site 1, not by the aggregator",
         body + statement[1].sign(objects.proposable(body)))
    spare = bytearray(body)
    spare[len(label(b"set")) + 64] |= 0x80
    case("spare bits in U", "proposal", "decode", "bit 7 of the bitmap names position 8 of 7",
         bytes(spare) + aggregator.sign(objects.proposable(bytes(spare))))
    case("signer outside U", "certificate", "decode", "site 3 signed, but is not in U",
         certified(body, [1, 2, 3, 4, 5]))
    case("repeated signer", "certificate", "decode", "site 4 counts twice", certified(body, [1, 2, 4, 4, 5]))
    case("unsorted signers", "certificate", "decode", "site 2 before site 1", certified(body, [2, 1, 4, 5, 7]))
    case("too few signers", "certificate", "decode", "four signatures, the quorum is five",
         certified(body, [1, 2, 4, 5]))
    case("signature of another", "certificate", "check", "site 5's place has site 7's signature",
         made["certificate"][:-136] + u32(5) + statement[7].sign(body) + made["certificate"][-68:])

    for name, graph in graphs.items():
        for i, found in enumerate(graph["sets"]):
            if found["why"].startswith("thin"):
                case(f"{found['why']}: set {i} of the graph {name}", "set bitmap", "check",
                     "enough members, but not everywhere", found["bitmap"], graph=name)

    # Void
    void = made["void"]["bytes"]
    case("repeated void signer", "void certificate", "decode", "site 2 counts twice", certified(void, [1, 2, 2, 3, 5]))
    case("too few void signers", "void certificate", "decode", "four signatures", certified(void, [1, 2, 3, 5]))
    case("void signer outside the roster", "void certificate", "decode", "position 8 of 7",
         void + u32(5) + b"".join(u32(x) + statement[min(x, 7)].sign(void) for x in [1, 2, 3, 5, 8]))
    case("void after release", "void request", "check", "the site has released shares in this context",
         objects.void(context), after="shares of the site sent")

    # Headers, acks, inputs
    header = good[1]["header"][:-64]
    at = len(label(b"header")) + 36
    case("wrong neighbour count", "header", "decode", "five neighbours are claimed, the graph has six",
         signed(statement[1], header[:at] + u32(5) + header[at + 4:]))
    case("position outside the roster", "header", "decode", "position 8 of 7",
         signed(statement[1], header[:at - 4] + u32(8) + header[at:]))
    case("header signed by another", "header", "check", "site 2 signed for position 1", signed(statement[2], header))
    case("header of another context", "header", "check", "its context is that of attempt 1",
         signed(statement[1], header[:at - 36] + made["void"]["context"] + header[at - 4:]))
    ack = objects.Ack(context, 2, [1, 3, 4], [(7, 1, sha(good[7]["header"])), (5, 5, sha(good[5]["header"]))])
    case("unsorted dealers", "ack", "decode", "dealer 7 before dealer 5", signed(statement[2], ack.encode(N)))
    wrong = objects.Input.decode(good[2]["input"])
    wrong.manifest = sha(six)
    case("input under another manifest", "input", "check", "its manifest hash is not that of the round's manifest",
         signed(statement[2], wrong.encode()))

    # Shares
    shares = objects.Shares.decode(good[2]["shares"])

    def changed(items):
        return signed(statement[2], dataclasses.replace(shares, items=items).encode())

    items = shares.items
    case("unsorted items", "shares", "decode", "the second item before the first",
         changed([items[1], items[0]] + items[2:]))
    case("repeated item", "shares", "decode", "the first item twice", changed([items[0]] + items))
    u, index, item, path = items[0]
    case("element not below p", "shares", "decode", "the first element of the first share is p",
         changed([(u, index, P.to_bytes(8, "little") + item[8:], path)] + items[1:]))
    case("swapped path", "shares", "check", "the first two hashes of the first path are exchanged",
         changed([(u, index, item, [path[1], path[0]] + path[2:])] + items[1:]))
    case("short path", "shares", "check", "the last hash of the first path is missing",
         changed([(u, index, item, path[:-1])] + items[1:]))
    case("another share", "shares", "check", "the first share is that of holder 4 and does not lead to the root",
         changed([(u, index, good[1]["items"][4][0], path)] + items[1:]))
    case("an item too many", "shares", "check", "the pair of 1 and 2 is released though both are in U",
         changed(sorted(items + [(1, 1, good[1]["items"][2][1], path)])))
    case("limb not below 2^52", "rebuild", "check", "five shares of a first limb of 2^52", b"",
         shares={x: share_of_limb(1 << 52, 0, x) for x in (1, 2, 3, 4, 5)})
    case("last limb not below 2^48", "rebuild", "check", "five shares of a last limb of 2^48", b"",
         shares={x: share_of_limb(1 << 48, 4, x) for x in (1, 2, 3, 4, 5)})
    plain = good[1]["plaintexts"][2]
    case("element not below p in an envelope", "plaintext", "decode", "the first element of the first share is p",
         P.to_bytes(8, "little") + plain[8:], dealer=1, holder=2)
    case("plaintext too long", "plaintext", "decode", "one byte more", plain + b"\0", dealer=1, holder=2)
    envelope = good[1]["envelopes"][2]
    case("envelope for another", "envelope", "check", "sealed from 1 to 2, opened as from 1 to 3 with the key of 2",
         envelope, dealer=1, holder=3, key=2)
    case("changed envelope", "envelope", "check", "its last byte is another", envelope[:-1] + bytes([envelope[-1] ^ 1]),
         dealer=1, holder=2, key=2)
    case("envelope with a point of low order", "envelope", "check", "its X25519 point is zero",
         envelope[:1088] + bytes(32) + envelope[1120:], dealer=1, holder=2, key=2)
    case("envelope too short", "envelope", "check", "an encapsulation and nothing else", envelope[:1120],
         dealer=1, holder=2, key=2)

    # Roster, result, and what every reader refuses
    roster = rosters.Roster.decode(made["roster"]["bytes"])
    roster.entries[0], roster.entries[1] = roster.entries[1], roster.entries[0]
    case("unsorted sites", "roster", "decode", "bergen before basel", roster.encode())
    for name, why, change in (
            ("own name among vouches", "the site's own signature stands with another's", {"vouches": [
                (b"bergen", bytes(64)), (b"lund", bytes(64))]}),
            ("unsorted vouches", "bergen before basel", {"vouches": [(b"bergen", bytes(64)), (b"basel", bytes(64))]}),
            ("keys of a later epoch", "since the epoch after the roster's",
             {"vouches": [(b"basel", bytes(64))], "since": 43})):
        roster = rosters.Roster.decode(made["roster"]["bytes"])
        lund = roster.entries[4]
        lund.since = change.get("since", roster.epoch)
        lund.vouches = change["vouches"]
        case(name, "roster", "decode", why, roster.encode())
    for bits in (33, 63):
        task = rosters.Task.decode(made["task"]["bytes"])
        task.sections[0] = (8, bits, 16)
        case(f"elements of {bits} bits", "task", "decode", "b is 2 to 32, or 64", task.encode())
    whole = {"roster": made["roster"]["bytes"], "task": made["task"]["bytes"], "header": good[1]["header"],
             "ack": good[1]["ack"], "manifest": made["manifest"], "input": good[1]["input"],
             "proposal": made["proposal"], "certificate": made["certificate"], "shares": good[1]["shares"],
             "void certificate": made["void"]["certificate"], "result": made["result"]}
    for kind, data in whole.items():
        case(f"{kind} with a byte more", kind, "decode", "a trailing byte", data + b"\0")
        case(f"{kind} with a byte less", kind, "decode", "too short", data[:-1])
        case(f"{kind} with another label", kind, "decode", "the version in the label is 2",
             data.replace(b"fl/secagg/v1", b"fl/secagg/v2", 1))
    return cases


def share_of_limb(value, place, position):
    """A share at a position of a polynomial of degree 4 whose constant term no 32-byte secret has."""
    values = [(value if j == place else 5) + sum((7 * j + d) * position ** d for d in range(1, 5)) for j in range(5)]
    return b"".join((v % P).to_bytes(8, "little") for v in values)
