// SPDX-License-Identifier: Apache-2.0
// Takes the masks that did not cancel out of a sum.

package import Federation
package import RingArithmetic
import Synchronization

/// The masks left in the sum over a certified set: the self mask of every survivor, and the pair masks between a survivor
/// and a site that dealt and is lost.
///
/// Two survivors' pair mask has cancelled: one added what the other subtracted.
/// Source: privacy design review, A10.
package struct Unmasking: Sendable {
    /// How often a body is to run, and the body, to be called with each number below the count, on whatever threads.
    package typealias Perform = (_ count: Int, _ body: @Sendable (Int) -> Void) -> Void

    package let layout: MaskLayout
    private let plan: UnmaskingPlan
    private let context: Digest
    private var masks = MaskList()
    private var missing: Set<SecretID>

    package init(layout: MaskLayout, plan: UnmaskingPlan, context: Digest) {
        self.layout = layout
        self.plan = plan
        self.context = context
        missing = Set(plan.secrets)
    }

    /// The secrets that have to be added before a sum can be unmasked, ascending.
    package var missingSecrets: [SecretID] { missing.sorted() }

    /// Adds a rebuilt secret.
    ///
    /// - Precondition: the plan asks for it, and it has not been added yet.
    package mutating func add(_ secret: SecretID, seed: borrowing SecretBytes) {
        precondition(missing.remove(secret) != nil, "each secret of the plan once, and no other")
        guard let pair = plan.pair(of: secret) else {
            masks.append(seed: seed, .own, .subtracted, context: context)
            return
        }
        // What the survivor did is undone; the lost end's half never arrived.
        let (survivor, lost) = plan.survivors.contains(pair.lower) ? (pair.lower, pair.upper) : (pair.upper, pair.lower)
        let sign = MaskList.Sign.ofPair(at: survivor, with: lost)
        masks.append(seed: seed, .pair, sign.opposite, context: context)
    }

    /// Removes all masks from the sum of the survivors' vectors, whole chunks at a time.
    ///
    /// - Parameters:
    ///   - perform: runs the chunks of one section, on one thread or on many.
    /// - Throws: `.cryptographyFailed`; the sum is then spoiled.
    /// - Precondition: no secret is missing, and the sum has this layout.
    /// - Complexity: O(masks × elements).
    package func remove(
        from sum: inout RingVector, perform: Perform = { count, body in for index in 0..<count { body(index) } }
    ) throws(SecureSumError) {
        precondition(missing.isEmpty, "all secrets of the plan are there")
        precondition(sum.layout == layout.ring, "a sum of this layout")
        for (section, description) in layout.ring.sections.enumerated() {
            switch description.elementBits {
            case .bits32:
                try unsafe sum.withMutableWords32(section: section) { (words) throws(SecureSumError) in
                    try unsafe remove(from: words, section: section, perform: perform)
                }
            case .bits64:
                try unsafe sum.withMutableWords64(section: section) { (words) throws(SecureSumError) in
                    try unsafe remove(from: words, section: section, perform: perform)
                }
            }
        }
    }

    private func remove<Word: MaskWord>(
        from words: UnsafeMutableBufferPointer<Word>, section: Int, perform: Perform
    ) throws(SecureSumError) {
        let chunks = layout.chunks.filter { $0.section == section }
        let lent = unsafe LentWords(words: words)
        let hasFailed = Mutex(false)
        perform(chunks.count) { index in
            // A thread needs streams of its own; setting them up costs little beside expanding them over a chunk.
            do throws(SecureSumError) {
                var streams = try MaskStreams(masks)
                unsafe streams.apply(to: lent[chunks[index]], fromBlock: chunks[index].firstBlock)
            } catch { hasFailed.withLock { $0 = true } }
        }
        guard !hasFailed.withLock({ $0 }) else { throw .cryptographyFailed }
    }

    /// Whether every check lane of an unmasked sum is |U|. If not, masks, set and vectors do not belong together, and the sum
    /// means nothing.
    package func checkLanesHold(in sum: RingVector) -> Bool {
        precondition(sum.layout == layout.ring, "a sum of this layout")
        return MaskLayout.checkLaneValues.indices.allSatisfy { index in
            sum[section: layout.checkLaneSection, index: index] == Int64(plan.survivors.count)
        }
    }
}

/// The words of a section, lent to several threads.
///
/// Unchecked: each thread asks for the words of other chunks than the rest, and chunks of a section do not overlap.
@unsafe
private struct LentWords<Word>: @unchecked Sendable {
    let words: UnsafeMutableBufferPointer<Word>

    subscript(_ chunk: MaskLayout.Chunk) -> UnsafeMutableBufferPointer<Word> {
        unsafe UnsafeMutableBufferPointer(rebasing: words[chunk.elements])
    }
}
