// SPDX-License-Identifier: Apache-2.0
// Runs the command that the arguments name and turns every ending into an exit status.

import ArgumentParser
import Foundation

/// The program `consilium` as a function.
///
/// Exit statuses: 0 done; 1 the thing asked about does not hold; 2 wrong use; 3 could not be done.
package enum CommandLineProgram {
    /// Runs the command and returns the exit status.
    package static func run(_ arguments: [String]) async -> Int32 {
        let console = Console.standard()
        do {
            var command = try ConsiliumCommand.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            try StandardOutput.check()
            return 0
        } catch let error as CommandError {
            if !error.text.isEmpty { console.note(error.text) }
            return error.status.rawValue
        } catch let exit as ExitCode {
            return exit.rawValue
        } catch {
            return finish(error, console)
        }
    }

    /// Help and version texts, wrong arguments, and errors of other modules.
    private static func finish(_ error: any Error, _ console: Console) -> Int32 {
        let code = ConsiliumCommand.exitCode(for: error)
        guard !code.isSuccess else {
            console.raw(ConsiliumCommand.fullMessage(for: error) + "\n")
            return 0
        }
        guard code == .validationFailure else {
            let error = CommandError(error)
            console.note(error.text)
            return error.status.rawValue
        }
        let full = ConsiliumCommand.fullMessage(for: error)
        let command = full.firstMatch(of: /'(consilium[a-z -]*) --help'/).map { String($0.1) } ?? "consilium"
        // The parser begins its sentences with a capital letter; ours begin small, or with a name that is kept.
        let message = ConsiliumCommand.message(for: error)
        let first = message.first.map { $0.lowercased() + message.dropFirst() } ?? ""
        console.note(CommandError(.wrongUse, first, hint: "see `\(command) --help`").text)
        return CommandError.Status.wrongUse.rawValue
    }
}
