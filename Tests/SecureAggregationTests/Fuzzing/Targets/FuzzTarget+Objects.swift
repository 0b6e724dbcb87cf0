// SPDX-License-Identifier: Apache-2.0
// The parsers of signed objects: what is read is written with the same bytes, or it is refused.

import Federation
import SecureAggregation

extension FuzzTarget {
    /// n of the objects with bitmaps; the vectors have it too.
    private static let rosterCount = 7

    /// The first byte chooses the object, in the order of `Fuzz/make-corpus.py`.
    static func runObjects(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return }
        let object = Array(bytes.dropFirst())
        guard let written = try? reread(object, kind: first) else { return }
        precondition(written == object, "an object has one spelling")
    }

    /// What an object that was read is written as; nil where the number stands for no object.
    private static func reread(_ bytes: [UInt8], kind: UInt8) throws(SecureSumError) -> [UInt8]? {
        switch kind {
        case 0: try DealHeader(bytes: bytes).bytes
        case 1: try DealAcknowledgement(bytes: bytes, rosterCount: rosterCount).bytes
        case 2: try Manifest(bytes: bytes, rosterCount: rosterCount).bytes
        case 3: try InputStatement(bytes: bytes).bytes
        case 4: try SurvivorSet(bytes: bytes, rosterCount: rosterCount).bytes
        case 5: try SetProposal(bytes: bytes, rosterCount: rosterCount).bytes
        case 6: try SetCertificate(bytes: bytes, rosterCount: rosterCount).bytes
        case 7: try VoidCertificate(bytes: bytes, rosterCount: rosterCount).bytes
        case 8: try ShareRelease(bytes: bytes).bytes
        case 9: try RoundResult(bytes: bytes).bytes
        case 10: try UploadReceipt(bytes: bytes).bytes
        case 11: try InputBlobs(bytes: bytes).bytes
        case 12: try reread(task: bytes)
        default: nil
        }
    }

    /// A task that is read must also be judged without a trap: sizes, terms and sections are a peer's.
    private static func reread(task bytes: [UInt8]) throws(SecureSumError) -> [UInt8] {
        let task = try SecureTask(bytes: bytes)
        precondition(task.entries <= 1 << 40, "entries do not overflow")
        if task.numbers.sites <= SumParameters.largestComplete,
            let parameters = try? SumParameters(checking: task.numbers)
        {
            let terms = RoundTerms(task: task)
            _ = SiteFloors().refusals(of: terms, parameters: parameters, takesExactSums: false)
            _ = terms.violation(of: .full(parameters.count), parameters: parameters)
        }
        return task.bytes
    }
}
