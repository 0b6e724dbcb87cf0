#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# A site in Python's standard library alone, written from the documents in protocol/ and nothing else.
"""Takes part in one study: statistics and evaluation over a real table, training with a change that is given.

The change is the same constant for each parameter, so that a test can tell its part in the next model.

    foreign_site.py --port 7443 --certificate site.pem --key site.key --authority authority.pem \\
        --study heart-disease --table patients.csv --state DIR --change 0.25

Exit status: 0 the study has ended and its model is here, 1 it ended without one, 2 wrong use, 3 could not be done.
"""

import argparse
import hashlib
import json
import os
import random
import ssl
import struct
import sys
import time

from foreign_sums import Model, Table, packed, update_vector
from foreign_wire import CHUNK, CONTROL, Connection, LostConnection, ProtocolError, decode, varint


def canonical(data):
    """A canonical JSON text as a value; anything that is not spelled canonically is refused (round.md §3)."""
    value = json.loads(data.decode())
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if text.encode() != data:
        raise ProtocolError("a document that is not canonical")
    return value


def document_hash(kind, data):
    return hashlib.sha256(f"consilium/{kind}/v1\n".encode() + data).digest()


class Site:
    def __init__(self, options):
        self.options, self.state = options, options.state
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        self.study = self.study_hash = self.table = self.task = self.task_hash = self.ended = None
        self.wanted = None  # a blob under way: (digest, bytes, stream)
        self.stream = 0

    # Files: a blob is named by its digest, a vector by its task; both are complete under that name.

    def path(self, name):
        return os.path.join(self.state, name)

    def load(self, name):
        try:
            with open(self.path(name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def save(self, name, data):
        with open(self.path(name + ".new"), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self.path(name + ".new"), self.path(name))

    # Messages

    def talk(self):
        """One connection, to the end of the study or of the connection."""
        self.connection, self.wanted = Connection(self.options), None
        self.connection.send("hello", versions=varint(1), software="foreign-site 1")
        self.connection.send("condition")
        kind, payload = self.connection.frame()
        name, message = decode(payload) if kind == CONTROL else (None, {})
        if name == "refusal":
            raise LostConnection(message["code"])
        if name != "welcome" or message["version"] != 1:
            raise ProtocolError("the first message is no welcome")
        while True:
            kind, payload = self.connection.frame()
            if kind == CHUNK:
                self.received_chunk(payload)
            else:
                name, message = decode(payload)
                getattr(self, "received_" + name)(**message)
            if self.ended and not self.wanted:
                return

    def received_welcome(self, **_):
        raise ProtocolError("a second welcome")

    def received_refusal(self, code):
        raise LostConnection(code)

    def received_ping(self):
        pass

    def received_study_offer(self, study):
        value, found = canonical(study), document_hash("study", study)
        if value["study"] != self.options.study:
            self.connection.send("decision", study=found, reason="notApproved")
            return
        self.study, self.study_hash = value, found
        self.table = self.table or Table(self.options.table, value["data"])
        self.connection.send("decision", study=found, accepted=1)

    def received_round_open(self, task):
        found = document_hash("task", task)
        if found == self.task_hash and self.wanted:
            return
        self.task, self.task_hash = canonical(task), found
        if self.task["study"] != (self.study_hash or b"").hex():
            self.connection.send("withheld", task=found, reason="taskMismatch")
            return
        self.work()

    def work(self):
        """The next thing that the open task needs: an input, or the vector and its offer."""
        name, vector = self.task_hash.hex(), self.load(self.task_hash.hex())
        if vector is None:
            for blob in self.task["inputs"]:
                if self.load(blob["sha256"]) is None:
                    self.fetch(bytes.fromhex(blob["sha256"]), blob["bytes"])
                    return
            self.connection.send("progress", task=self.task_hash, stage="computing", count=1)
            vector = self.vector()
            self.save(name, vector)
        self.offer(vector)

    def vector(self):
        if self.task["kind"] == "statistics":
            return packed(self.table.statistics(), 64)
        blob = next(blob for blob in self.task["inputs"] if blob["name"] == "model")
        model = Model(self.load(blob["sha256"]), self.study_hash)
        if self.task["kind"] == "training":
            return update_vector(self.study, self.table, model, self.task["sites"], self.options.change)
        positives, negatives, moments = model.evaluation(self.table, "test")
        return packed(positives, 32) + packed(negatives, 32) + packed(moments, 64)

    def offer(self, vector):
        self.stream += 1
        self.connection.send(
            "upload_offer", task=self.task_hash, byte_count=len(vector), digest=hashlib.sha256(vector).digest(),
            stream=self.stream)

    def received_upload_ready(self, task, offset):
        vector = self.load(task.hex())
        if task != self.task_hash or vector is None or offset > len(vector):
            raise ProtocolError("an upload that was not offered")
        if offset:
            print("upload resumes at", offset, flush=True)
        self.connection.send_chunks(self.stream, vector, offset)

    def received_upload_result(self, task, accepted, reason):
        print("upload", "accepted" if accepted else f"refused: {reason}", flush=True)

    def received_round_ended(self, task, outcome):
        if task == self.task_hash and not self.ended:
            print(self.task["kind"], self.task["round"], outcome, flush=True)
            self.task_hash = self.wanted = None
        if len(task) == 32 and self.load(task.hex()) is not None:
            os.remove(self.path(task.hex()))

    def received_study_ended(self, study, outcome, model, model_bytes):
        if study != self.study_hash and self.study_hash is not None:
            return
        self.ended = (study, outcome, model)
        print("study", outcome, flush=True)
        if model and self.load(model.hex()) is None:
            self.fetch(model, model_bytes)
        elif model:
            self.connection.send("model_received", study=study, digest=model)

    # Blobs

    def fetch(self, digest, size):
        self.stream += 1
        self.wanted = (digest, size, self.stream)
        have = len(self.load(digest.hex() + ".part") or b"")
        if have:
            print("download resumes at", have, flush=True)
        self.connection.send("blob_request", digest=digest, offset=have, stream=self.stream)

    def received_blob_unavailable(self, digest, stream):
        if self.wanted and self.wanted[2] == stream:
            self.wanted = None
            self.connection.send("withheld", task=self.task_hash, reason="taskMismatch")

    def received_chunk(self, payload):
        if len(payload) < 12:
            raise ProtocolError("a chunk without its header")
        stream, offset = struct.unpack(">IQ", payload[:12])
        if not self.wanted or self.wanted[2] != stream:
            return
        digest, size, _ = self.wanted
        part = self.path(digest.hex() + ".part")
        have = os.path.getsize(part) if os.path.exists(part) else 0
        if offset != have or have + len(payload) - 12 > size:
            raise ProtocolError("a chunk at a place where none belongs")
        with open(part, "ab") as file:
            file.write(payload[12:])
        if have + len(payload) - 12 < size:
            return
        data = self.load(digest.hex() + ".part")
        os.remove(part)
        if hashlib.sha256(data).digest() != digest:
            raise ProtocolError("a blob that is not what was announced")
        self.save(digest.hex(), data)
        self.wanted = None
        if self.ended:
            self.connection.send("model_received", study=self.ended[0], digest=digest)
        else:
            self.work()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--server-name", default="localhost", help="the name in the aggregator's certificate")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--change", type=float, default=0.0, help="claimed change of each parameter in a round")
    for name in ("certificate", "key", "authority", "study", "table", "state"):
        parser.add_argument("--" + name, required=True)
    return parser


def run(site, attempts=20):
    for attempt in range(attempts):
        try:
            site.talk()
            return 0 if site.ended[2] else 1
        except (LostConnection, ssl.SSLError, OSError) as error:
            print("connection lost:", error, file=sys.stderr, flush=True)
            time.sleep(min(2.0, 0.05 * 2**attempt) * (0.5 + random.random()))
    return 3


if __name__ == "__main__":
    try:
        sys.exit(run(Site(arguments().parse_args())))
    except (ProtocolError, ValueError) as error:
        print("error:", error, file=sys.stderr)
        sys.exit(3)
