#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# The foreign site with bad manners: breaks one rule of the protocol, says how the aggregator took it, then behaves.
"""Misbehaves in each of the ways that --misbehave lists, prints `WORD: ANSWER`, and goes on as an honest site would.

ANSWER is the code of the refusal, `closed` when the connection ended without one, or what the aggregator said instead.
The words download-… and upload-… are for training rounds, one word for each; the others need no study.
"""

import hashlib
import os
import socket
import ssl
import struct
import sys

import foreign_site
from foreign_wire import CHUNK, CONTROL, LostConnection, decode, encode, field, varint

DIGEST = b"\x5a" * 32

# What is sent in place of a first message.
GREETINGS = {
    "hello-version-9": encode("hello", versions=varint(9), software="x"),
    "hello-no-version": encode("hello", software="x"),
    "hello-33-versions": encode("hello", versions=b"\x01" * 33, software="x"),
    "hello-missing": encode("progress", task=DIGEST, stage="asked"),
    "hello-software-escape": encode("hello", versions=varint(1), software="\x1b[31mred"),
    "hello-software-long": encode("hello", versions=varint(1), software="x" * 201),
}
# Bytes on the stream after the welcome.
STREAMS = {
    "frame-zero-length": bytes(4) + b"\x01",
    "frame-unknown-kind": struct.pack(">IB", 2, 9) + b"x",
    "frame-huge": b"\xff\xff\xff\xff\x01",
    "frame-control-too-long": struct.pack(">IB", (1 << 20) + 2, CONTROL),
    "frame-chunk-too-long": struct.pack(">IB", (256 << 10) + 2, CHUNK),
    "frame-cut": struct.pack(">IB", 100, CONTROL) + b"half",
    "frame-http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "frame-short-chunk": struct.pack(">IB", 6, CHUNK) + bytes(5),
}
# Control messages after the welcome.
MESSAGES = {
    "message-garbage": os.urandom(64) + b"\xff",
    "message-empty": b"",
    "message-unknown-body": field(99, b"x"),
    "message-hello-again": encode("hello", versions=varint(1), software="x"),
    "message-short-digest": encode("progress", task=DIGEST[1:], stage="asked"),
    "message-unknown-word": encode("progress", task=DIGEST, stage="Computing"),
    "message-unknown-reason": encode("decision", study=DIGEST, reason="because"),
    "message-huge-upload": encode("upload_offer", task=DIGEST, byte_count=(1 << 36) + 1, digest=DIGEST, stream=1),
    "message-negative-upload": encode("upload_offer", task=DIGEST, byte_count=(1 << 64) - 1, digest=DIGEST, stream=1),
    "message-foreign-blob": encode("blob_request", digest=DIGEST, stream=1),
    "message-foreign-task": encode("upload_offer", task=DIGEST, byte_count=8, digest=DIGEST, stream=1),
}
FLOODS = {"flood-progress": encode("progress", task=DIGEST, stage="asked")}
ROUNDS = ["download-cut", "upload-cut", "upload-wrong-length", "upload-wrong-digest", "upload-padding", "upload-gap", "upload-too-long",
          "upload-replay", "upload-old-task"]
WORDS = [*GREETINGS, *STREAMS, *MESSAGES, *FLOODS, *ROUNDS]


class HostileSite(foreign_site.Site):
    def __init__(self, options):
        super().__init__(options)
        self.words, self.old_task = options.misbehave.split(","), None
        self.calm = 0  # the last round that has been misbehaved in

    @property
    def word(self):
        return self.words[0] if self.words else None

    def done(self, answer):
        print(f"{self.words.pop(0)}: {answer}", flush=True)

    def answer(self):
        """Reads to the refusal, the end of the connection, or an answer that is no part of the usual business."""
        self.connection.socket.settimeout(5)
        try:
            while True:
                kind, payload = self.connection.frame()
                name, message = decode(payload) if kind == CONTROL else ("chunk", {})
                if name == "refusal":
                    return message["code"]
                if name not in ("welcome", "study_offer", "round_open", "ping", "chunk"):
                    return " ".join([name] + [message[key] for key in ("reason", "outcome") if message.get(key)])
        except socket.timeout:
            return "nothing"
        except (LostConnection, ssl.SSLError, OSError):
            return "closed"

    def talk(self):
        if self.word in GREETINGS:
            self.connection = foreign_site.Connection(self.options)
            self.connection.send_frame(CONTROL, GREETINGS[self.word])
        elif self.word in STREAMS or self.word in MESSAGES or self.word in FLOODS:
            self.connection = foreign_site.Connection(self.options)
            self.connection.send("hello", versions=varint(1), software="hostile-site")
            if self.word in STREAMS:
                self.connection.socket.sendall(STREAMS[self.word])
                if self.word == "frame-cut":
                    self.hang_up()
            elif self.word in MESSAGES:
                self.connection.send_frame(CONTROL, MESSAGES[self.word])
            else:
                for _ in range(2_000):
                    try:
                        self.connection.send_frame(CONTROL, FLOODS[self.word])
                    except OSError:
                        break
        else:
            return super().talk()
        self.done(self.answer())
        raise LostConnection()

    def offer(self, vector):
        """The same vector in the ways that an aggregator must refuse, or must not count twice."""
        if self.task["kind"] != "training" or self.task["round"] <= self.calm or self.word not in ROUNDS[1:]:
            self.old_task = (self.task_hash, vector)
            return super().offer(vector)
        self.calm = self.task["round"]
        send, self.stream = self.connection.send, self.stream + 1
        right = dict(task=self.task_hash, byte_count=len(vector), digest=hashlib.sha256(vector).digest(),
                     stream=self.stream)
        if self.word == "upload-wrong-length":
            send("upload_offer", **right | {"byte_count": len(vector) + 1})
        elif self.word == "upload-old-task":
            send("upload_offer", **right | {"task": self.old_task[0], "byte_count": len(self.old_task[1])})
        else:
            padded = self.word == "upload-padding"
            bad = bytearray(vector)
            if padded:
                bad[self.section_end() - 1] |= 0x80
                right["digest"] = hashlib.sha256(bad).digest()
            elif self.word == "upload-wrong-digest":
                right["digest"] = DIGEST
            send("upload_offer", **right)
            self.skip_to("upload_ready")
            if self.word == "upload-gap":
                self.connection.send_frame(CHUNK, struct.pack(">IQ", self.stream, 1) + vector[1:])
            elif self.word == "upload-too-long":
                self.connection.send_frame(CHUNK, struct.pack(">IQ", self.stream, 0) + vector + b"x")
            elif self.word == "upload-cut":
                self.connection.send_frame(CHUNK, struct.pack(">IQ", self.stream, 0) + vector[:7])
                self.connection.socket.sendall(struct.pack(">IB", 100, CHUNK) + b"half")
                self.hang_up()
            else:
                self.connection.send_chunks(self.stream, bytes(bad), 0)
            if self.word == "upload-replay":
                self.skip_to("upload_result")
                send("upload_offer", **right | {"stream": self.stream + 1})
        self.done(self.answer())
        raise LostConnection()

    def hang_up(self):
        """Ends the connection inside a frame."""
        self.connection.socket.close()
        self.done("hung up")
        raise LostConnection()

    def received_chunk(self, payload):
        if self.word == "download-cut" and not self.ended:
            super().received_chunk(payload[:112])
            self.hang_up()
        super().received_chunk(payload)

    def section_end(self):
        numbers = self.study["federation"]["numbers"]
        bits = (2 * self.task["sites"] * numbers["maximumWeight"]
                * ((1 << numbers["valueBits"] - 1) - 1)).bit_length()
        count = (len(self.load(self.task_hash.hex())) - 40) * 8 // bits
        assert count * bits % 8, "the study's update section has no padding"
        return (count * bits + 7) // 8

    def skip_to(self, wanted):
        name = None
        while name != wanted:
            name = decode(self.connection.frame()[1])[0]


if __name__ == "__main__":
    parser = foreign_site.arguments()
    parser.add_argument("--misbehave", metavar="WORD,…", required=True, help=", ".join(WORDS))
    parser.add_argument("--once", action="store_true", help="end after the last answer, without a study")
    options = parser.parse_args()
    if unknown := set(options.misbehave.split(",")) - set(WORDS):
        parser.error("unknown: " + ", ".join(unknown))
    site = HostileSite(options)
    while options.once and site.words:
        try:
            site.talk()
        except LostConnection:
            pass
    sys.exit(0 if options.once else foreign_site.run(site, attempts=100))
