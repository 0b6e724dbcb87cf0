// SPDX-License-Identifier: Apache-2.0
// Why something in a secure sum is refused: one closed list, without a word of a peer.

/// Every refusal of this module. None carries text, keys or values that a peer supplied.
package enum SecureSumError: Error, Hashable, Sendable {
    // Bytes and signatures

    /// Bytes that are not the one spelling of their object.
    case malformed
    /// A signature is not of the key that must have made it.
    case badSignature
    /// The library could not sign, make a key, or seal.
    case cryptographyFailed
    /// Of another context than the one at hand.
    case otherContext
    /// A dealer's header or envelope is bad; the code goes into the acknowledgement.
    case badDeal(DealAcknowledgement.Complaint.Code)

    // Rosters

    /// A name, key or certificate stands in the roster twice.
    case repeatedKey
    /// An X-Wing key to which nobody can seal.
    case unusableKey
    /// The reveals do not open the commitments of the draft.
    case wrongReveal

    // Sets and certificates

    /// Bound to another manifest.
    case otherManifest
    /// Too thin somewhere for what its sum would reveal.
    case inadmissibleSet
    /// Below what the round's terms ask for.
    case belowFloor(FloorViolation)
    /// A member that did not deal.
    case survivorNotInManifest
    /// The input statements are not those that the set was made of.
    case inputsDoNotMatch
    /// Fewer signatures than the quorum.
    case noQuorum
    /// A signer that is repeated, out of order or no member.
    case signerNotAllowed

    // Order of messages

    /// Not what may come in this state.
    case unexpected
    /// The position shares nothing with this site.
    case notANeighbour
    /// A second header by one dealer.
    case secondHeader
    /// A second manifest in one context.
    case secondManifest
    /// A second input statement of one site.
    case secondInput
    /// A second set in one context.
    case secondSet
    /// For another set than the one at hand.
    case otherSet
}
