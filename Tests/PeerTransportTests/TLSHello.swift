// SPDX-License-Identifier: Apache-2.0
// Reads the first message of either end of a TLS connection, which is in the clear.

import NIOCore

/// A ClientHello or ServerHello (RFC 8446 §4.1.2, §4.1.3).
struct TLSHello {
    /// Extension bodies by type.
    private(set) var extensions: [UInt16: ByteBuffer] = [:]

    /// Parses the first handshake message in a stream of records; nothing when it is neither kind of hello.
    init?(_ stream: [UInt8]) {
        guard var handshake = Self.firstMessage(stream), let type = handshake.readInteger(as: UInt8.self),
            handshake.readSlice(length: 3) != nil,
            handshake.readSlice(length: 2 + 32) != nil, handshake.readLengthPrefixedSlice(as: UInt8.self) != nil
        else { return nil }
        switch type {
        case 1:
            guard handshake.readLengthPrefixedSlice(as: UInt16.self) != nil,
                handshake.readLengthPrefixedSlice(as: UInt8.self) != nil
            else { return nil }
        case 2: guard handshake.readSlice(length: 3) != nil else { return nil }
        default: return nil
        }
        guard var list = handshake.readLengthPrefixedSlice(as: UInt16.self) else { return nil }
        while let type = list.readInteger(as: UInt16.self),
            let body = list.readLengthPrefixedSlice(as: UInt16.self)
        {
            extensions[type] = body
        }
    }

    /// Joins records (RFC 8446 §5.1) until the first handshake message is complete.
    private static func firstMessage(_ stream: [UInt8]) -> ByteBuffer? {
        var records = ByteBuffer(bytes: stream)
        var message = ByteBuffer()
        while let type = records.readInteger(as: UInt8.self), type == 22, records.readSlice(length: 2) != nil,
            var body = records.readLengthPrefixedSlice(as: UInt16.self)
        {
            message.writeBuffer(&body)
            guard message.readableBytes >= 4 else { continue }
            let length = message.getInteger(at: message.readerIndex, as: UInt32.self)! & 0xff_ffff
            if message.readableBytes >= 4 + Int(length) { return message }
        }
        return nil
    }

    /// supported_groups (10) of a ClientHello.
    var offeredGroups: [UInt16] {
        guard var body = extensions[10], var list = body.readLengthPrefixedSlice(as: UInt16.self) else { return [] }
        return list.readAll()
    }

    /// The group of the key_share (51) in a ServerHello.
    var selectedGroup: UInt16? { extensions[51].flatMap { $0.getInteger(at: $0.readerIndex) } }

    /// supported_versions (43) of a ClientHello.
    var offeredVersions: [UInt16] {
        guard var body = extensions[43], var list = body.readLengthPrefixedSlice(as: UInt8.self) else { return [] }
        return list.readAll()
    }
}

extension ByteBuffer {
    fileprivate mutating func readAll() -> [UInt16] {
        var values: [UInt16] = []
        while let value = readInteger(as: UInt16.self) { values.append(value) }
        return values
    }
}
