// SPDX-License-Identifier: Apache-2.0
// Looks at a state directory as a start would, without making or changing anything.

import GRDB

/// What a daemon would find in its state directory.
package enum StateCondition: String, CaseIterable, Hashable, Sendable {
    /// Nothing yet; the first start makes it.
    case absent
    case current
    /// Written by an older version; the next start brings it up to date.
    case older
}

extension StoreDatabase {
    /// Looks at the state of `owner`, whether or not its daemon runs.
    static func examine(
        _ owner: StoreOwner, directory path: String, migrator: DatabaseMigrator
    ) throws -> StateCondition {
        guard let directory = try StateDirectory.examine(path) else { return .absent }
        for other in StoreOwner.allCases where other != owner && directory.contains(other.fileName) {
            throw StoreError(
                .wrongKind, "\(path) is the state directory of the \(other.rawValue)",
                hint: "give the \(owner.rawValue) a stateDirectory of its own")
        }
        guard directory.contains(owner.fileName) else { return .absent }
        try directory.examineFile(owner.fileName)
        do {
            _ = try openReadOnly(owner, directory: path, migrator: migrator)
            return .current
        } catch let error as StoreError where error.code == .olderSchema { return .older }
    }
}

extension SiteStore {
    /// What a site would find in its state directory; nothing is made or changed.
    ///
    /// - Throws: ``StoreError`` as ``open(directory:durability:)`` would, but for `inUse`.
    package static func examine(directory: String) throws -> StateCondition {
        try StoreDatabase.examine(.site, directory: directory, migrator: SiteSchema.migrator)
    }
}

extension AggregatorStore {
    /// What an aggregator would find in its state directory; nothing is made or changed.
    ///
    /// - Throws: ``StoreError`` as ``open(directory:durability:)`` would, but for `inUse`.
    package static func examine(directory: String) throws -> StateCondition {
        try StoreDatabase.examine(.aggregator, directory: directory, migrator: AggregatorSchema.migrator)
    }
}
