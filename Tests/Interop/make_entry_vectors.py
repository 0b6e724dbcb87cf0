#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Writes protocol/vectors/entries/entries.json from protocol/entries.md, sharing no code with Swift.
"""
Usage: make_entry_vectors.py [OUTPUT]

Needs the package `cryptography`. Keys come from fixed texts and Ed25519 is deterministic: the output is always the same.
"""
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

SEED = hashlib.sha256(b"an aggregator's statement key").digest()
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(SEED)
TIME = "2026-01-31T08:05:00Z"


def named(text):
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value):
    # Ours escapes nothing else than JSON must, and these values hold only ASCII.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def entry(kind, body, **changes):
    fields = {"actor": "aggregator", "body": body, "job": named("study"), "time": TIME, "type": kind, "v": 1} | changes
    signature = KEY.sign(b"fl/audit/v1\n" + canonical(fields).encode())
    return canonical(fields | {"sig": signature.hex()})


ROUND = {"kind": "training", "round": 2, "attempt": 1, "task": named("task")}
SURVIVORS = ["budapest", "cleveland"]
ENTRIES = [
    entry("job.proposed", {}),
    entry("round.release", ROUND | {
        "absent": {"notConnected": 1, "stalled:computing": 1}, "clipRate": "0.125", "model": named("model"),
        "sites": SURVIVORS, "sum": named("sum"), "survivors": 2,
        "survivorsHash": hashlib.sha256(canonical(SURVIVORS).encode()).hexdigest()}),
    entry("round.failed", ROUND | {"absent": {"withheld:noUsableRows": 2}, "reason": "tooFewSites"}),
    entry("job.ended", {"missing": ["long-beach"], "model": named("model"), "outcome": "degraded",
                        "reason": "requiredSitesMissing"}),
    entry("model.export", {"model": named("model"), "site": "cleveland"}),
]


def refused():
    whole = ENTRIES[4]
    yield "a blank", whole.replace('"v":1', '"v": 1')
    yield "another version", whole.replace('"v":1', '"v":2')
    yield "a version that is a string", whole.replace('"v":1', '"v":"1"')
    yield "an unknown type", whole.replace("model.export", "model.import")
    yield "a key too many", whole.replace('"v":1', '"v":1,"w":1')
    yield "no signature", canonical({key: value for key, value in json.loads(whole).items() if key != "sig"})
    yield "a signature in upper case", whole.replace(json.loads(whole)["sig"], json.loads(whole)["sig"].upper())
    yield "keys out of order", json.dumps(dict(reversed(json.loads(whole).items())), separators=(",", ":"))
    yield "a time that is none", whole.replace("08:05:00Z", "24:05:00Z")
    yield "a time in another zone", whole.replace("08:05:00Z", "08:05:00+00:00")
    yield "more than 16,000 bytes", entry("incident", {"text": "x" * 16_000})
    yield "a line feed after it", whole + "\n"


def main():
    default = pathlib.Path(__file__).resolve().parents[2] / "protocol/vectors/entries/entries.json"
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    output.parent.mkdir(parents=True, exist_ok=True)
    raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    vectors = {
        "seed": SEED.hex(), "key": KEY.public_key().public_bytes(*raw).hex(), "entries": ENTRIES,
        "refused": [{"why": why, "bytes": text} for why, text in refused()],
        "wrongly_signed": [ENTRIES[4].replace("cleveland", "clevelanb"), ENTRIES[0].replace("08:05:00", "08:05:01")],
    }
    output.write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")


main()
