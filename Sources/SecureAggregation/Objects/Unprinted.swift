// SPDX-License-Identifier: Apache-2.0
// Values that hold secrets and so must not end in a log line, a failure's text or a debugger's dump by accident.

/// A value that prints as the name of its type alone.
package protocol Unprinted: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {}

extension Unprinted {
    package var description: String { "\(Self.self), not shown" }
    package var debugDescription: String { description }
    /// No children: a mirror would show the bytes.
    package var customMirror: Mirror { Mirror(self, children: []) }
}
