// SPDX-License-Identifier: Apache-2.0
// How many connections one operator or auditor may have at once, so that nobody takes the places of the sites.

import Enrolment
import Synchronization

/// The connections of people over the members' port, by who holds the certificate.
final class AdministratorPlaces: Sendable {
    /// A person's command has one; eight leave room for those that are about to end.
    static let limit = 8

    /// Guards the counts.
    private let taken = Mutex<[PartyName: Int]>([:])

    /// Takes a place; false when this person has all of theirs.
    func enter(_ person: PartyName) -> Bool {
        taken.withLock { taken in
            guard taken[person, default: 0] < Self.limit else { return false }
            taken[person, default: 0] += 1
            return true
        }
    }

    /// Gives a place back.
    func leave(_ person: PartyName) {
        taken.withLock { taken in
            guard let count = taken[person] else { return }
            taken[person] = count > 1 ? count - 1 : nil
        }
    }
}
