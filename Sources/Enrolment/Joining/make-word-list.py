#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Writes WordList.swift: the English word list of BIP-39, as the Python package `mnemonic` 0.21 carries it.
"""
Usage: make-word-list.py WHEEL

WHEEL is mnemonic-0.21-py3-none-any.whl, fetched with `pip download mnemonic==0.21 --no-deps`. Both the wheel and the
list inside it are compared with the digests below before anything is written.
"""
import hashlib
import pathlib
import sys
import zipfile

WHEEL = "72dc9de16ec5ef47287237b9b6943da11647a03fe7cf1f139fc3d7c4a7439288"
LIST = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"

wheel = pathlib.Path(sys.argv[1])
if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL:
    sys.exit("error: another wheel than the pinned one\nhint: pip download mnemonic==0.21 --no-deps")
text = zipfile.ZipFile(wheel).read("mnemonic/wordlist/english.txt")
if hashlib.sha256(text).hexdigest() != LIST:
    sys.exit("error: another list than the pinned one")
words = text.decode().split()
assert len(words) == 2048 and words == sorted(set(words))
lines, line = [], ""
for word in words:
    if len(line) + 1 + len(word) > 108:
        lines.append(line)
        line = ""
    line = f"{line} {word}".strip()
lines.append(line)
body = "\n".join(f"        {line}" for line in lines)
target = pathlib.Path(__file__).with_name("WordList.swift")
target.write_text(f'''// SPDX-License-Identifier: MIT
// The 2 048 words of BIP-39 (English), by which people compare fingerprints; written by make-word-list.py.
//
// Copyright (c) 2013-2016 Pavol Rusnak. Published under the MIT licence as part of python-mnemonic 0.21; the text of
// the licence stands in NOTICE.

enum WordList {{
    /// In the list's order, which is alphabetical.
    static let words = text.split(whereSeparator: \\.isWhitespace).map(String.init)

    private static let text = """
{body}
        """
}}
''')
