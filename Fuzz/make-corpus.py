#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Writes the seeds of the fuzzers to Corpus/ from the committed vectors of the secure sum.
"""Usage: make-corpus.py

Run again whenever protocol/vectors/secagg/objects.json changes. What fuzzers find on their way stays out of the
repository; inputs on which one failed go to Failures/<target>/.
"""
import hashlib
import json
import pathlib
import shutil

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = json.loads((HERE.parent / "protocol/vectors/secagg/objects.json").read_text(encoding="utf-8"))
# The order of the readers in FuzzTarget+Objects.swift.
READERS = ["header", "ack", "manifest", "input", "set", "proposal", "certificate", "void certificate", "shares",
           "result", "receipt", "inputs", "task"]


def objects():
    made, sites = VECTORS["round"], VECTORS["round"]["sites"]
    for name in ("header", "ack", "input", "receipt", "shares"):
        yield name, next(site[name] for site in sites.values() if name in site)
    yield "ack", made["refusing_ack"]
    for name in ("manifest", "set", "proposal", "certificate", "result"):
        yield name, made[name]
    yield "void certificate", made["void"]["certificate"]
    yield "task", made["task"]["bytes"]
    blobs = made["inputs"]["blobs"]
    yield "inputs", (b"fl/secagg/v1 inputs\n" + len(blobs).to_bytes(4, "big") + b"".join(
        len(name).to_bytes(2, "big") + name.encode() + (len(content) // 2).to_bytes(8, "big")
        + hashlib.sha256(bytes.fromhex(content)).digest() for name, content in blobs.items())).hex()
    for case in VECTORS["negative"]:
        is_cut = case["name"].endswith(("more", "less", "label"))
        if case["stage"] == "decode" and case["object"] in READERS and not is_cut:
            yield case["object"], case["bytes"]


def envelopes():
    site = VECTORS["round"]["sites"]["1"]
    for holder in ("2", "7"):
        plaintext = site["plaintexts"][holder]
        yield bytes([0x10 | (len(plaintext) // 2 - 32) // 40]) + bytes.fromhex(plaintext)
    yield bytes([1]) + bytes.fromhex(VECTORS["round"]["sites"]["7"]["plaintexts"]["1"])
    yield bytes([0x97]) + bytes.fromhex(site["envelopes"]["2"])


def vectors():
    lanes = b"\1\0\0\0" * 4
    for bits, packed in ((18, VECTORS["packing"][0]["packed"]), (64, "00" * 24), (2, "1b"), (32, "ff" * 8)):
        packed = bytes.fromhex(packed)
        yield bytes([bits, len(packed) * 8 // bits, 5]) + packed + lanes


def rosters():
    yield bytes.fromhex(VECTORS["round"]["roster"]["bytes"])
    for change in VECTORS.get("rosters", {}).values():
        yield bytes.fromhex(change["bytes"])


def main():
    seeds = {"objects": [bytes([READERS.index(name)]) + bytes.fromhex(data) for name, data in objects()],
             "envelope": list(envelopes()), "vector": list(vectors()), "roster": list(rosters())}
    for target, inputs in seeds.items():
        folder = HERE / "Corpus" / target
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for data in inputs:
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


if __name__ == "__main__":
    main()
