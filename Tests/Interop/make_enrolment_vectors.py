#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Writes protocol/vectors/enrolment/enrolment.json from the byte layouts of protocol/enrolment.md, sharing no code with Swift.
"""
Usage: make_enrolment_vectors.py WORDLIST [OUTPUT]

WORDLIST is BIP-39's english.txt. Needs the package `cryptography` 43 or newer. Every key is derived from a fixed text
and every signature is deterministic, so the output is always the same.
"""
import base64
import datetime
import hashlib
import hmac
import json
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = 1_800_000_000
FEDERATION = "hearts.example.org"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def sha(data):
    return hashlib.sha256(data).digest()


def lp(data):
    data = data.encode() if isinstance(data, str) else data
    return len(data).to_bytes(2, "big") + data


def u64(value):
    return value.to_bytes(8, "big")


def u32(value):
    return value.to_bytes(4, "big")


def p256(name):
    return ec.derive_private_key(int.from_bytes(sha(name.encode()), "big") % (ORDER - 1) + 1, ec.SECP256R1())


def ed(name):
    return ed25519.Ed25519PrivateKey.from_private_bytes(sha(name.encode()))


def raw(key):
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def der(thing):
    return thing.public_bytes(serialization.Encoding.DER)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, key, issuer, issuer_key, days, extensions):
    at = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
               .public_key(key.public_key())
               .serial_number(int.from_bytes(b"\1" + sha(subject.encode())[:16], "big"))
               .not_valid_before(at - datetime.timedelta(minutes=10)).not_valid_after(at + datetime.timedelta(days=days)))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return der(builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True))


def usage(signs_certificates):
    flags = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                           "encipher_only", "decipher_only"], False)
    return x509.KeyUsage(digital_signature=not signs_certificates, key_cert_sign=signs_certificates,
                         crl_sign=signs_certificates, **flags)


def keys_hash(statement, witness):
    return sha(b"fl/keys/v1\n" + statement + witness)


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def token_text(payload):
    checksum = base64.b32encode(sha(payload)).decode().lower()[:6]
    return f"fl1.{b64(payload)}.{checksum}"


ROOT, ISSUING = p256("root"), p256("issuing")
AUTHORITY, AGGREGATOR, LOG = ed("authority"), ed("aggregator"), ed("log")
ROOT_DER = certificate(f"{FEDERATION} root", ROOT, f"{FEDERATION} root", ROOT, 3652,
                       [(x509.BasicConstraints(True, 1), True), (usage(True), True)])
ISSUING_DER = certificate(f"{FEDERATION} issuing", ISSUING, f"{FEDERATION} root", ROOT, 365, [
    (x509.BasicConstraints(True, 0), True), (usage(True), True),
    (x509.NameConstraints([x509.UniformResourceIdentifier(FEDERATION)], None), True)])


def leaf(site, host=FEDERATION, keys=None):
    statement, witness = map(raw, keys or (ed(f"{site} statement"), ed(f"{site} witness")))
    names = [f"fl://{host}/site/{site}", f"fl://{host}/keys/{b64(keys_hash(statement, witness))}"]
    return certificate(site, p256(site), f"{FEDERATION} issuing", ISSUING, 7, [
        (x509.BasicConstraints(False, None), True), (usage(False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.SubjectAlternativeName([x509.UniformResourceIdentifier(n) for n in names]), False)])


def entry(site, since, change=b"\0"):
    return (lp(site) + lp(leaf(site)) + raw(ed(f"{site} statement")) + raw(ed(f"{site} witness")) + u64(since) + change)


def main():
    words = pathlib.Path(sys.argv[1]).read_text().split()
    target = pathlib.Path(__file__).resolve().parents[2] / "protocol/vectors/enrolment/enrolment.json"
    output = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else target
    site, address = "cleveland", "aggregator.example.org:7444"
    token_id, secret, expiry = sha(b"id")[:8], sha(b"secret")[:16], NOW + 86_400
    root_hash = sha(spki(ROOT))
    payload = (b"\1" + root_hash + token_id + secret + u64(expiry) + bytes([len(address)]) + address.encode()
               + bytes([len(site)]) + site.encode())
    text = token_text(payload)
    proof_key = HKDF(hashes.SHA256(), 32, token_id, b"fl/enrol/v1 mac").derive(secret)

    descriptor = (b"fl/federation/v1\n" + lp(FEDERATION) + root_hash + lp(f"{FEDERATION}/log") + raw(LOG)
                  + raw(AGGREGATOR) + raw(AUTHORITY) + b"\2")
    key, statement, witness = p256(site), ed(f"{site} statement"), ed(f"{site} witness")
    request = der(x509.CertificateSigningRequestBuilder().subject_name(name(site))
                  .sign(key, hashes.SHA256(), ecdsa_deterministic=True))
    server_hash, nonce = sha(spki(p256("server"))), sha(b"nonce")
    message = (b"fl/enrol/v1 request\n" + token_id + lp(site) + sha(request) + raw(statement) + raw(witness)
               + server_hash + nonce)
    proof = hmac.new(proof_key, message, hashlib.sha256).digest()
    enrolment = (b"fl/enrol/v1 request\n" + token_id + lp(site) + lp(request) + raw(statement) + raw(witness) + nonce
                 + proof + statement.sign(message) + witness.sign(message))
    fingerprint = int.from_bytes(sha(b"fl/enrol/v1 words\n" + root_hash + lp(site) + sha(spki(key)) + raw(statement)
                                     + raw(witness) + sha(descriptor)), "big") >> 190
    six = [words[fingerprint >> 11 * (5 - index) & 2047] for index in range(6)]

    serial = b"\1" + sha(site.encode())[:16]
    renewal = b"fl/enrol/v1 renew\n" + lp(FEDERATION) + b"\1" + lp(site) + lp(serial) + lp(request)
    renewal += statement.sign(renewal)

    def signed(data, signer):
        return data + signer.sign(data)

    empty = signed(b"fl/deny/v1\n" + lp(FEDERATION) + u64(0) + u64(NOW) + u32(0), AUTHORITY)
    denied = sorted([(sha(spki(p256("mallory"))), b"\1" + lp("mallory")), (sha(spki(p256("eve"))), b"\3" + lp("eve"))])
    deny = signed(b"fl/deny/v1\n" + lp(FEDERATION) + u64(1) + u64(NOW) + u32(2)
                  + b"".join(h + who + u64(NOW) for h, who in denied), AUTHORITY)
    first = signed(b"fl/roster/v1\n" + lp(FEDERATION) + u64(1) + bytes(32) + u64(NOW) + u64(0) + sha(empty) + empty[-64:]
                   + lp(ISSUING_DER) + u32(2) + entry("budapest", 1) + entry(site, 1), AGGREGATOR)
    new_keys = raw(ed("zurich statement")) + raw(ed("zurich witness"))
    vouch = b"fl/keys/v1 vouch\n" + lp(FEDERATION) + lp("zurich") + new_keys + u64(2)
    change = b"\2" + (2).to_bytes(2, "big") + b"".join(
        lp(s) + ed(f"{s} statement").sign(vouch) for s in ("budapest", site))
    second = signed(b"fl/roster/v1\n" + lp(FEDERATION) + u64(2) + sha(first) + u64(NOW) + u64(1) + sha(deny) + deny[-64:]
                    + lp(ISSUING_DER) + u32(3) + entry("budapest", 1) + entry(site, 1)
                    + entry("zurich", 2, change), AGGREGATOR)

    bad = {
        "a character was mistyped": text[:40] + ("A" if text[40] != "A" else "B") + text[41:],
        "another version": token_text(b"\2" + payload[1:]),
        "a byte too many": token_text(payload + b"x"),
        "a byte too few": token_text(payload[:-1]),
        "an unknown prefix": "fl2" + text[3:],
        "no checksum": text[:-7],
        "padding": text.replace(".", "=.", 2),
        "a port that is none": token_text(payload.replace(b":7444", b":99999", 1).replace(
            bytes([len(address)]) + b"aggr", bytes([len(address) + 1]) + b"aggr", 1)),
        "a name with a capital": token_text(payload[:-9] + b"Cleveland"),
    }
    vectors = {
        "comment": "made by Tests/Interop/make_enrolment_vectors.py; hexadecimal unless it is text",
        "federation": FEDERATION, "now": NOW, "site": site, "address": address, "wordListSHA256": sha(
            pathlib.Path(sys.argv[1]).read_bytes()).hex(),
        "token": text, "tokenID": token_id.hex(), "secret": secret.hex(), "expiry": expiry, "rootHash": root_hash.hex(),
        "proofKey": proof_key.hex(), "badTokens": bad,
        "descriptor": descriptor.hex(), "descriptorHash": sha(descriptor).hex(),
        "root": ROOT_DER.hex(), "issuing": ISSUING_DER.hex(), "leaf": leaf(site).hex(),
        "escapedLeaf": leaf(site, "other.example.org").hex(),
        "certificateRequest": request.hex(), "statementSeed": sha(f"{site} statement".encode()).hex(),
        "witnessSeed": sha(f"{site} witness".encode()).hex(), "keysHash": keys_hash(raw(statement), raw(witness)).hex(),
        "serverKeyHash": server_hash.hex(), "nonce": nonce.hex(), "message": message.hex(), "proof": proof.hex(),
        "request": enrolment.hex(), "words": " ".join(six), "renewal": renewal.hex(), "serial": serial.hex(),
        "emptyDenyList": empty.hex(), "denyList": deny.hex(), "firstRoster": first.hex(), "secondRoster": second.hex(),
    }
    output.write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
