// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a model file, in words for the person who chose it.

/// A model file that cannot be read or written. Carries positions and sizes, never text from the file.
package struct ModelFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What went wrong, for programs.
    package enum Code: String, Sendable {
        /// The file ends before its header does.
        case truncated
        /// The header is longer than ``SafetensorsHeader/largestHeaderBytes``.
        case headerTooLarge
        /// The header is not the JSON that the format prescribes.
        case malformedHeader
        /// A name appears twice.
        case duplicateName
        /// An element type other than the ones this program reads.
        case unsupportedType
        /// A shape whose size does not fit its bytes, or is too large to count.
        case wrongShape
        /// Tensors overlap, leave a gap, or lie outside the data.
        case wrongOffsets
        /// Bytes follow the last tensor, or are missing at the end.
        case wrongLength
        /// The caller asked for a tensor the file does not have.
        case noSuchTensor
        /// The operating system refused; `message` has its reason.
        case inputOutput
        /// A valid file, but not a model of a study.
        case foreignModel
    }

    package let code: Code
    /// What failed.
    package let message: String
    /// What to do about it.
    package let hint: String

    package init(_ code: Code, _ message: String, hint: String = Self.damagedHint) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    /// What to do about a file whose bytes are wrong.
    package static let damagedHint = "the file is damaged or not in the safetensors format: fetch it again"

    package var description: String { "\(message); \(hint)" }
}
