# SPDX-License-Identifier: Apache-2.0
# Messages and frames of the protocol in Python's standard library alone, for the foreign site.
"""framing.md, messages.md and consilium.proto: bytes on one connection, and what they say."""

import socket
import ssl
import struct

CONTROL, CHUNK = 1, 2
CHUNK_DATA = 65_536


class ProtocolError(Exception):
    """The peer broke a rule of the documents; what it said is not repeated."""


class LostConnection(Exception):
    """The connection ended; another one may go on."""


# ---- Messages (messages.md, consilium.proto) ------------------------------------------------------------------------

# name: (number in FromSite, {field: number})
TO_AGGREGATOR = {
    "hello": (1, {"versions": 1, "software": 2}),
    "decision": (2, {"study": 1, "accepted": 2, "reason": 3}),
    "blob_request": (3, {"digest": 1, "offset": 2, "stream": 3}),
    "progress": (4, {"task": 1, "stage": 2, "count": 3}),
    "upload_offer": (5, {"task": 1, "byte_count": 2, "digest": 3, "stream": 4}),
    "withheld": (6, {"task": 1, "reason": 2}),
    "model_received": (7, {"study": 1, "digest": 2}),
    "condition": (8, {"obstacles": 1}),
}
# number in FromAggregator: (name, {field number: field}); a field's kind is that of its default in KINDS.
FROM_AGGREGATOR = {
    1: ("welcome", {1: "version", 2: "federation", 3: "software"}),
    2: ("refusal", {1: "code"}),
    3: ("study_offer", {1: "study"}),
    4: ("round_open", {1: "task"}),
    5: ("upload_ready", {1: "task", 2: "offset"}),
    6: ("upload_result", {1: "task", 2: "accepted", 3: "reason"}),
    7: ("round_ended", {1: "task", 2: "outcome"}),
    8: ("study_ended", {1: "study", 2: "outcome", 3: "model", 4: "model_bytes"}),
    9: ("blob_unavailable", {1: "digest", 2: "stream"}),
    10: ("ping", {}),
}
KINDS = {"version": 0, "accepted": 0, "offset": 0, "model_bytes": 0, "stream": 0,
         "federation": "", "software": "", "code": "", "reason": "", "outcome": ""}


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def encode(name, **values):
    number, fields = TO_AGGREGATOR[name]
    body = b"".join(field(fields[key], value) for key, value in values.items() if value or value == b"")
    return field(number, body)


def read_varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ProtocolError("a number in a message does not end")
        byte = data[at]
        value, at, shift = value | (byte & 0x7F) << shift, at + 1, shift + 7
        if byte < 0x80:
            return value & (1 << 64) - 1, at


def fields_of(data):
    """Every field of a message as (number, value): an integer or bytes. Unknown wire types end the connection."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 in (1, 2, 5):
            size, at = read_varint(data, at) if key & 7 == 2 else (8 if key & 7 == 1 else 4, at)
            value, at = data[at:at + size], at + size
        else:
            raise ProtocolError("a message has a field of an unknown kind")
        if at > len(data):
            raise ProtocolError("a message ends inside a field")
        yield key >> 3, value


def decode(data):
    name, values = None, {}
    for number, body in fields_of(data):
        if number not in FROM_AGGREGATOR or not isinstance(body, bytes):
            continue
        name, names = FROM_AGGREGATOR[number]
        values = {key: KINDS.get(key, b"") for key in names.values()}
        for inner, value in fields_of(body):
            key = names.get(inner)
            if key is None:
                continue
            if isinstance(value, int) != isinstance(values[key], int):
                raise ProtocolError("a message has a field of a wrong kind")
            values[key] = value.decode() if isinstance(values[key], str) else value
    if name is None:
        raise ProtocolError("a message without a known body")
    return name, values


# ---- Frames over TLS (framing.md) -----------------------------------------------------------------------------------

class Connection:
    def __init__(self, options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.options |= ssl.OP_NO_TICKET
        context.load_verify_locations(options.authority)
        context.load_cert_chain(options.certificate, options.key)
        context.set_alpn_protocols(["consilium/1"])
        plain = socket.create_connection((options.host, options.port), timeout=60)
        self.socket = context.wrap_socket(plain, server_hostname=options.server_name)
        if self.socket.selected_alpn_protocol() != "consilium/1":
            raise ProtocolError("the server does not speak consilium/1")
        names = [text for kind, text in self.socket.getpeercert()["subjectAltName"] if kind == "URI"]
        federation = [name.split("/") for name in names if name.startswith("fl:")]
        if len(federation) != 1 or len(federation[0]) != 5 or federation[0][3] != "aggregator":
            raise ProtocolError("the server's certificate does not name an aggregator")

    def send_frame(self, kind, payload):
        self.socket.sendall(struct.pack(">IB", len(payload) + 1, kind) + payload)

    def send(self, name, **values):
        self.send_frame(CONTROL, encode(name, **values))

    def send_chunks(self, stream, data, offset):
        while offset < len(data):
            piece = data[offset:offset + CHUNK_DATA]
            self.send_frame(CHUNK, struct.pack(">IQ", stream, offset) + piece)
            offset += len(piece)

    def read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise LostConnection()
            data += piece
        return data

    def frame(self):
        length, kind = struct.unpack(">IB", self.read(5))
        limit = {CONTROL: 1 << 20, CHUNK: 256 << 10}.get(kind, -1)
        if not 1 <= length <= limit + 1:
            raise ProtocolError("a frame of a kind or length that is not allowed")
        return kind, self.read(length - 1)
