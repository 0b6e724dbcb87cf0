// SPDX-License-Identifier: Apache-2.0
// How our values stand in columns: digests as hexadecimal text, words for closed lists.

import Federation
import Foundation
import GRDB

extension Row {
    /// A digest stored as 64 hexadecimal digits.
    ///
    /// - Throws: ``StoreError`` `damaged` when the text is something else, as for all functions here.
    func digest(_ column: String) throws -> Digest { try value(column) { Digest(hex: $0) } }

    func digestIfPresent(_ column: String) throws -> Digest? { try valueIfPresent(column) { Digest(hex: $0) } }

    func site(_ column: String) throws -> SiteID { try value(column) { SiteID($0) } }

    func word<Word: RawRepresentable<String>>(_ column: String) throws -> Word {
        try value(column) { Word(rawValue: $0) }
    }

    func wordIfPresent<Word: RawRepresentable<String>>(_ column: String) throws -> Word? {
        try valueIfPresent(column) { Word(rawValue: $0) }
    }

    /// The three columns `kind`, `round` and `attempt`.
    func roundID() throws -> RoundID {
        RoundID(kind: try word("kind"), round: self["round"], attempt: self["attempt"])
    }

    /// The two columns `isAccepted` and `reasonWord`.
    func decision() throws -> StudyDecision {
        if self["isAccepted"] { return .accepted }
        return .declined(try word("reasonWord"))
    }

    func bytes(_ column: String) -> [UInt8] { Array(self[column] as Data) }

    /// A JSON array of site names.
    func sites(_ column: String) throws -> [SiteID] {
        try value(column) { text in
            guard let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) else { return nil }
            let sites = names.compactMap { SiteID($0) }
            return sites.count == names.count ? sites : nil
        }
    }

    /// The three columns `fileName`, `byteCount` and `digest`, all of them NULL or none.
    func uploadIfPresent() throws -> SavedFile? {
        guard let name: String = self["fileName"] else { return nil }
        return SavedFile(
            folder: .uploads, name: name, byteCount: self["byteCount"], digest: try digest("digest"))
    }

    private func value<Value>(_ column: String, _ make: (String) -> Value?) throws -> Value {
        guard let value = make(self[column]) else { throw Self.unreadable(column) }
        return value
    }

    private func valueIfPresent<Value>(_ column: String, _ make: (String) -> Value?) throws -> Value? {
        guard let text: String = self[column] else { return nil }
        guard let value = make(text) else { throw Self.unreadable(column) }
        return value
    }

    private static func unreadable(_ column: String) -> StoreError {
        StoreError(
            .damaged, "the store holds an unreadable value in a column `\(column)`",
            hint: "restore the state directory from a backup; keep the damaged copy for inspection")
    }
}

extension [UInt8] {
    var blob: DatabaseValue { Data(self).databaseValue }
}

extension [SiteID] {
    /// A JSON array of the names, which hold nothing that JSON would escape.
    var json: String { "[" + map { "\"\($0)\"" }.joined(separator: ",") + "]" }
}

extension StudyDecision {
    var reasonWord: String? {
        switch self {
        case .accepted: nil
        case .declined(let reason): reason.rawValue
        }
    }
}

extension Double {
    /// SQLite has no NaN: NULL stands for it.
    var storable: Double? { isNaN ? nil : self }
}
