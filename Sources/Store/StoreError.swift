// SPDX-License-Identifier: Apache-2.0
// Why the store cannot do what it was asked: a code for programs, a sentence and a hint for people.

/// The error of everything that keeps state on disk.
///
/// Privacy: holds paths and names of our own, never a stored value, a key or text that a peer supplied.
package struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, CaseIterable, Hashable, Sendable {
        /// The state directory or a file in it does not exist.
        case missing
        /// Something else stands where a directory or a file of ours belongs.
        case wrongKind
        /// Accessible to others than its owner, or owned by somebody else.
        case exposed
        /// Another process of the same kind holds the state directory.
        case inUse
        /// The file is no SQLite database, or is damaged.
        case damaged
        /// The database belongs to another program.
        case foreign
        /// The database was written by a newer version of this program.
        case newerSchema
        /// The database was written by an older version, and it is opened for reading only.
        case olderSchema
        case permissionDenied
        case diskFull
        /// The operating system reports a failure of the device.
        case ioFailure
        /// Another process kept the database locked for too long.
        case busy
        /// The operation does not fit what is stored: closing a round that is not open, a second, different upload.
        case conflict
        /// The study, round or model is not in the store.
        case unknown
        /// The file does not have the digest that was promised.
        case wrongDigest
        /// A file is shorter or longer than the store says.
        case wrongLength
        /// The partial file was taken over by a newer writer, or has been finished or discarded.
        case superseded
    }

    package var code: Code
    package var message: String
    package var hint: String

    package init(_ code: Code, _ message: String, hint: String) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    package var description: String { "error: \(message)\nhint: \(hint)" }
}
