// SPDX-License-Identifier: Apache-2.0
// How a command ends other than well: an exit status, what failed, and what to do.

import ClinicalData
import Enrolment
import Foundation
import ModelFiles
import ModelTraining
import NeuralNetworks
import PeerTransport
import Simulation
import Store
import StudyFiles

/// The error that ends a command.
struct CommandError: Error, Sendable {
    enum Status: Int32, Sendable {
        /// The thing that was asked about does not hold.
        case doesNotHold = 1
        /// The command was used wrongly.
        case wrongUse = 2
        /// The command could not be carried out.
        case notDone = 3
    }

    var status: Status
    /// Empty when the command has said everything already.
    var message: String
    var hint: String

    init(_ status: Status, _ message: String, hint: String) {
        self.status = status
        self.message = message
        self.hint = hint
    }

    /// Ends a command that has said what does not hold.
    static let saidAlready = CommandError(.doesNotHold, "", hint: "")

    /// What to show for an error of another module.
    ///
    /// - Parameter invalid: the status for content that was read and found wrong.
    init(_ error: any Error, invalid: Status = .notDone) {
        switch error {
        case let error as CommandError: self = error
        case let error as FileError:
            self.init(error.code == .unreadable ? .notDone : invalid, error.message, hint: error.hint)
        case let error as DataError:
            let places = error.findings.map { "\n  \($0.message)" }.joined()
            self.init(error.code == .unreadableFile ? .notDone : invalid, error.message + places, hint: error.hint)
        case let error as ModelFileError:
            self.init(error.code == .inputOutput ? .notDone : invalid, error.message, hint: error.hint)
        case let error as LocalModelError:
            let isUndone = [.checkpoint, .tooLarge, .diverged].contains(error.code)
            self.init(isUndone ? .notDone : invalid, error.message, hint: error.hint)
        case let error as ModelError:
            self.init(invalid, error.description, hint: "name the inputs in the model, or lower its sizes")
        case let error as EnrolmentError: self.init(.doesNotHold, error.explanation, hint: "")
        case let error as SecretFile.Failure: self.init(.notDone, error.message, hint: error.hint)
        case let error as StoreError: self.init(.notDone, error.message, hint: error.hint)
        case let error as TransportError: self.init(.notDone, error.message, hint: error.hint)
        case let error as SimulationError:
            self.init(error.code == .tooFewSites ? .doesNotHold : .notDone, error.message, hint: error.hint)
        case let error as CocoaError:
            let path = error.filePath.map { " \($0)" } ?? ""
            self.init(
                .notDone, "the system refused access to a file\(path): code \(error.code.rawValue)",
                hint: "check that the folder exists and may be written")
        case is CancellationError: self.init(.notDone, "interrupted", hint: "")
        default: self.init(.notDone, "\(error)", hint: "this is unexpected; please report it")
        }
    }

    /// The lines for standard error.
    var text: String {
        guard !message.isEmpty else { return "" }
        return "error: \(message)" + (hint.isEmpty ? "" : "\nhint: \(hint)")
    }
}
