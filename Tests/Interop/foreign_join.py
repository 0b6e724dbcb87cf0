#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Joins a federation as protocol/enrolment.md says, with Python's TLS and the package `cryptography`, sharing no code.
"""
Usage: foreign_join.py --directory DIR [--openssl PATH] < TOKEN

Prints `words <six numbers of the list>` when the aggregator waits, and `joined <name in the certificate>` at the end; the
certificate, the key and the root are in DIR. Exit status: 0 joined, 1 refused (the code is printed), 3 something else.
"""
import argparse
import base64
import hashlib
import hmac
import os
import pathlib
import re
import socket
import ssl
import struct
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID

DER, RAW = serialization.Encoding.DER, serialization.Encoding.Raw
SPKI, RAW_KEY = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.Raw


def sha(data):
    return hashlib.sha256(data).digest()


def lp(data):
    return struct.pack(">H", len(data)) + data


def take_lp(data):
    count = struct.unpack(">H", data[:2])[0]
    assert len(data) >= 2 + count
    return data[2:2 + count], data[2 + count:]


def read_token(text):
    prefix, payload, checksum = text.split(".")
    payload = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    assert prefix == "fl1" and base64.b32encode(sha(payload)).decode().lower()[:6] == checksum and payload[0] == 1
    root, token, secret = payload[1:33], payload[33:41], payload[41:57]
    rest = payload[65:]
    address, rest = rest[1:1 + rest[0]].decode(), rest[1 + rest[0]:]
    name = rest[1:1 + rest[0]]
    assert len(rest) == 1 + rest[0]
    host, port = address.rsplit(":", 1)
    return root, token, secret, host, int(port), name


def pinned_root(openssl, host, port, pin):
    """Step 1: what the server shows; nothing is sent."""
    shown = subprocess.run(
        [openssl, "s_client", "-connect", f"{host}:{port}", "-servername", host, "-showcerts", "-tls1_3", "-alpn",
         "consilium-enrol/1"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20).stdout.decode()
    for pem in re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", shown, re.DOTALL):
        certificate = x509.load_pem_x509_certificate(pem.encode())
        if sha(certificate.public_key().public_bytes(DER, SPKI)) == pin:
            return pem
    sys.exit("error: the pinned root is not in the server's chain")


def connect(host, port, root):
    """Step 2: the chain, the host, and the role of who answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=root)
    context.set_alpn_protocols(["consilium-enrol/1"])
    connection = context.wrap_socket(socket.create_connection((host, port), 20), server_hostname=host)
    assert connection.version() == "TLSv1.3" and connection.selected_alpn_protocol() == "consilium-enrol/1"
    leaf = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris[0].split("/")[3] == "aggregator"
    return connection, sha(leaf.public_key().public_bytes(DER, SPKI)), uris


def receive(connection):
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
        more = connection.recv(65536)
        if not more:
            sys.exit(3)
        data += more
    assert data[4] == 1 and len(data) == 4 + struct.unpack(">I", data[:4])[0]
    return data[5:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=pathlib.Path, required=True)
    parser.add_argument("--openssl", default="openssl")
    arguments = parser.parse_args()
    pin, token, secret, host, port, name = read_token(sys.stdin.read().strip())
    root = pinned_root(arguments.openssl, host, port, pin)
    connection, server, uris = connect(host, port, root)
    key, statement, witness = (ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate(),
                               ed25519.Ed25519PrivateKey.generate())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name.decode())])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256()).public_bytes(DER)
    keys = statement.public_key().public_bytes(RAW, RAW_KEY) + witness.public_key().public_bytes(RAW, RAW_KEY)
    nonce = os.urandom(32)
    label = b"fl/enrol/v1 request\n"
    message = label + token + lp(name) + sha(request) + keys + server + nonce
    proof_key = HKDF(hashes.SHA256(), 32, token, b"fl/enrol/v1 mac").derive(secret)
    body = (label + token + lp(name) + lp(request) + keys + nonce + hmac.new(proof_key, message, hashlib.sha256).digest()
            + statement.sign(message) + witness.sign(message))
    connection.sendall(struct.pack(">I", len(body) + 1) + b"\1" + body)
    while True:
        reply = receive(connection)
        label = b"fl/enrol/v1 reply\n"
        assert reply.startswith(label)
        state, rest = reply[len(label)], reply[len(label) + 1:]
        if state == 3:
            print(f"refused {rest[0]}", flush=True)
            sys.exit(1)
        descriptor, rest = take_lp(rest)
        assert descriptor.startswith(b"fl/federation/v1\n") and pin in descriptor
        if state == 1:
            public = sha(key.public_key().public_bytes(DER, SPKI))
            bits = int.from_bytes(sha(b"fl/enrol/v1 words\n" + pin + lp(name) + public + keys + sha(descriptor)), "big")
            numbers = [bits >> (256 - 11 * (index + 1)) & 2047 for index in range(6)]
            print("words " + " ".join(map(str, numbers)), flush=True)
            continue
        leaf, rest = take_lp(rest)
        issuer, rest = take_lp(rest)
        assert state == 2 and not rest
        certificate = x509.load_der_x509_certificate(leaf)
        authority = x509.load_der_x509_certificate(issuer)
        certificate.verify_directly_issued_by(authority)
        authority.verify_directly_issued_by(x509.load_pem_x509_certificate(root.encode()))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        own = names.get_values_for_type(x509.UniformResourceIdentifier)
        bound = base64.urlsafe_b64encode(sha(b"fl/keys/v1\n" + keys)).decode().rstrip("=")
        federation = uris[0].split("/")[2]
        assert own == [f"fl://{federation}/site/{name.decode()}", f"fl://{federation}/keys/{bound}"]
        assert certificate.public_key() == key.public_key()
        arguments.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
        for each in (certificate, authority):
            pem += each.public_bytes(serialization.Encoding.PEM)
        with open(arguments.directory / "identity.pem", "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(pem)
        print(f"joined {own[0]}", flush=True)
        return


main()
