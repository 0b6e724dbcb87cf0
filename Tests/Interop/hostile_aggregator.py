#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# An aggregator with bad manners: breaks one rule of the protocol for each connection and prints what the site did.
"""Listens for one site, misbehaves in each of the ways below, and prints `WAY: REACTION` for each.

REACTION is the messages that the site sent after its hello, then `closed` if it ended the connection.

    hostile_aggregator.py --certificate FILE --key FILE --authority FILE --study CANONICAL-BYTES-FILE --port-file FILE
"""

import argparse
import hashlib
import json
import os
import socket
import ssl
import struct

from foreign_site import document_hash
from foreign_wire import CHUNK, CONTROL, TO_AGGREGATOR, field, fields_of

NAMES = {number: name for name, (number, _) in TO_AGGREGATOR.items()}
WELCOME = field(1, field(1, 1) + field(2, "demo") + field(3, "hostile"))
PATIENCE = 60.0  # a site that has said nothing for so long does not react


class Link:
    def __init__(self, socket):
        self.socket, self.said = socket, []
        socket.settimeout(PATIENCE)

    def send(self, body, kind=CONTROL):
        self.socket.sendall(struct.pack(">IB", len(body) + 1, kind) + body)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise EOFError()
            data += piece
        return data

    def message(self):
        """The next message as (name, {field: value}); what it was is noted."""
        length, kind = struct.unpack(">IB", self.read(5))
        body = self.read(length - 1)
        if kind != CONTROL:
            return "chunk", {}
        number, inner = next(fields_of(body))
        values = dict(fields_of(inner))
        name = NAMES[number]
        note = {"decision": " accepted" if values.get(2) == 1 else " declined",
                "withheld": " " + (values.get(2) or b"").decode() if name == "withheld" else ""}.get(name, "")
        if name not in ("hello", "condition", "progress"):
            self.said.append(name + note)
        return name, values

    def until(self, *names):
        while True:
            name, values = self.message()
            if name in names:
                return values

    def reaction(self, last):
        """What the site has said, up to the message or the closing that is waited for."""
        try:
            while not self.said or not self.said[-1].startswith(last):
                self.message()
        except TimeoutError:
            self.said.append("nothing more")
        except (EOFError, OSError):
            self.said.append("closed")
        return ", ".join(self.said)


def task(study, **changes):
    value = {"attempt": 1, "inputs": [], "kind": "statistics", "round": 0, "sites": 3, "study": study.hex()} | changes
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def training(study, digest, size):
    blob = {"bytes": size, "name": "model", "sha256": digest.hex()}
    return task(study, kind="training", round=1, inputs=[blob])


def greeted(link):
    link.until("hello")
    link.send(WELCOME)


def accepted(link, offer):
    greeted(link)
    link.send(field(3, field(1, offer)))
    link.until("decision")


def misbehave(way, link, offer):
    study, garbage = document_hash("study", offer), way.encode() * 50
    digest = hashlib.sha256(garbage).digest()
    ended = field(8, field(1, study) + field(2, "completed") + field(3, digest) + field(4, len(garbage)))
    if way == "refuses":
        link.until("hello")
        link.send(field(2, field(1, "notMember")))
    elif way == "welcomes to version 2":
        link.until("hello")
        link.send(field(1, field(1, 2)))
    elif way == "offers before the welcome":
        link.until("hello")
        link.send(field(3, field(1, offer)))
    elif way == "sends garbage":
        greeted(link)
        link.send(b"\xff" * 40)
    elif way == "sends a chunk without a header":
        greeted(link)
        link.send(bytes(11), CHUNK)
    elif way == "offers what is no study":
        greeted(link)
        link.send(field(3, field(1, b'{"study":"x"}')))
    elif way == "offers another spelling":
        greeted(link)
        link.send(field(3, field(1, offer.replace(b',"study"', b', "study"'))))
    elif way == "opens a round of an unknown study":
        accepted(link, offer)
        link.send(field(4, field(1, task(bytes(32)))))
    elif way == "opens a round of two sites":
        accepted(link, offer)
        link.send(field(4, field(1, task(study, sites=2))))
    elif way == "opens a round with a huge model":
        accepted(link, offer)
        link.send(field(4, field(1, training(study, digest, 1 << 36))))
    elif way == "sends a model that is none":
        accepted(link, offer)
        link.send(field(4, field(1, training(study, digest, len(garbage)))))
        asked = link.until("blob_request")
        link.send(struct.pack(">IQ", asked[3], 0) + garbage, CHUNK)
    elif way == "sends another model than announced":
        accepted(link, offer)
        link.send(field(4, field(1, training(study, hashlib.sha256(b"other").digest(), len(garbage)))))
        asked = link.until("blob_request")
        link.send(struct.pack(">IQ", asked[3], 0) + garbage, CHUNK)
    elif way == "has no model after all":
        accepted(link, offer)
        link.send(ended)
        asked = link.until("blob_request")
        link.send(field(9, field(1, digest) + field(2, asked[3])))
    elif way == "releases a model that is none":
        accepted(link, offer)
        link.send(ended)
        asked = link.until("blob_request")
        link.send(struct.pack(">IQ", asked[3], 0) + garbage, CHUNK)
    elif way == "behaves":
        accepted(link, offer)
        link.send(field(4, field(1, task(study))))


# What a site does last; that it is alive afterwards shows in the next connection.
WAYS = {
    "listens": "closed",
    "refuses": "closed",
    "welcomes to version 2": "closed",
    "offers before the welcome": "closed",
    "sends garbage": "closed",
    "sends a chunk without a header": "closed",
    "offers what is no study": "decision",
    "offers another spelling": "decision",
    "opens a round of an unknown study": "withheld",
    "opens a round of two sites": "withheld",
    "opens a round with a huge model": "withheld",
    "sends a model that is none": "withheld",
    "sends another model than announced": "withheld",
    "has no model after all": "blob_request",
    "releases a model that is none": "blob_request",
    "behaves": "upload_offer",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("certificate", "key", "authority", "study", "port-file"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--ways", metavar="WAY,…", help="these ways only, in this order")
    options = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(options.authority)
    context.load_cert_chain(options.certificate, options.key)
    context.set_alpn_protocols(["consilium/1"])
    with open(options.study, "rb") as file:
        offer = file.read()
    with socket.create_server(("127.0.0.1", 0)) as server:
        with open(options.port_file + ".new", "w", encoding="ascii") as file:
            file.write(str(server.getsockname()[1]))
        os.replace(options.port_file + ".new", options.port_file)
        for way in (options.ways or ",".join(WAYS)).split(","):
            plain, _ = server.accept()
            link = Link(context.wrap_socket(plain, server_side=True))
            try:
                misbehave(way, link, offer)
            except (EOFError, OSError):
                link.said.append("closed early")
            print(f"{way}: {link.reaction(WAYS[way])}", flush=True)
            link.socket.close()


if __name__ == "__main__":
    main()
