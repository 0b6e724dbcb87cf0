// SPDX-License-Identifier: Apache-2.0
// What a dry start says about one thing that a daemon needs.

import Foundation

/// One thing that a daemon needs, looked at without changing it.
///
/// Privacy: for eyes at the own site; names paths, column names and settings, never a value of a table or a key.
package struct StartCheck: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        case fine(String)
        /// The daemon starts, but a person should act.
        case doubtful(String)
        /// The daemon would not start, or could do nothing.
        case failed(String)
    }

    package let subject: String
    package let outcome: Outcome

    package init(_ subject: String, _ outcome: Outcome) {
        self.subject = subject
        self.outcome = outcome
    }

    /// Runs `body`; what it throws is why the check fails.
    package init(_ subject: String, _ body: () throws -> Outcome) {
        do { self.init(subject, try body()) } catch { self.init(subject, .failed("\(error)")) }
    }

    package var hasFailed: Bool { if case .failed = outcome { true } else { false } }

    /// `ok:`, `warning:` or `error:`, the subject and what is known; a `hint:` may follow on a line of its own.
    package var text: String {
        switch outcome {
        case .fine(let detail): "ok: \(subject): \(detail)"
        case .doubtful(let detail): "warning: \(subject): \(detail)"
        // Errors of our modules begin with the word themselves.
        case .failed(let detail):
            "error: \(subject): \(detail.hasPrefix("error: ") ? String(detail.dropFirst(7)) : detail)"
        }
    }
}

extension StartCheck {
    /// What there is to say about a certificate that ends at `expiry`, both in seconds since 1970.
    ///
    /// - Parameter renewsItself: the daemon replaces it in time.
    package static func certificate(expiry: Int64, now: Int64, renewsItself: Bool) -> Outcome {
        let end = Date(timeIntervalSince1970: TimeInterval(expiry)).formatted(.iso8601)
        let hoursLeft = (expiry - now) / 3_600
        guard hoursLeft >= 24 else {
            let hint = renewsItself ? "let the daemon connect; it renews its certificate then" : "renew it now"
            return .doubtful("valid for \(hoursLeft) hours more, until \(end)\nhint: \(hint)")
        }
        return .fine("valid until \(end)")
    }
}
