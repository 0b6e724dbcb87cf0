// SPDX-License-Identifier: Apache-2.0
// Why local training, or a model that came out of it, does not go on.

/// What failed and what to do about it; never a value of the data.
package struct LocalModelError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The file is not what the command needs, or its parts contradict each other.
        case foreignFile
        /// The data do not fit the model or the loss.
        case unfitData
        /// Tensors for a start do not fit the model.
        case unfitWeights
        /// The checkpoint belongs to something else.
        case foreignCheckpoint
        /// There is no checkpoint, or one too many.
        case checkpoint
        /// The model needs more memory than it may take.
        case tooLarge
        /// Training gave up.
        case diverged
    }

    package let code: Code
    package let message: String
    package let hint: String

    package init(_ code: Code, _ message: String, hint: String) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    package var description: String { "\(message)\nhint: \(hint)" }
}
