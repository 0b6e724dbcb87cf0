// SPDX-License-Identifier: Apache-2.0
// `consilium federation renew-issuing`: once a year, with the root's key back from where it is kept.

import AggregatorService
import ArgumentParser
import Enrolment
import Federation
import Foundation
import Store

struct FederationRenewIssuingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "renew-issuing",
        abstract: "Renew the issuing certificate, once a year, with the root's key.",
        usage: "consilium federation renew-issuing --directory <dir> --offline <dir> [options]",
        discussion: """
            The aggregator's log warns thirty days before. Members notice nothing: the
            issuing key stays, so their certificates hold, and each gets the new chain with
            its next renewal. Restart the aggregator afterwards, and take the folder with
            the root offline again.

            Examples:
              consilium federation renew-issuing --directory /etc/consilium \\
                --offline /media/usb/root
            """)

    private struct Result: Codable {
        var directory: String
        var until: String
    }

    @Option(help: ArgumentHelp("The aggregator's folder, which holds `keys`.", valueName: "dir"))
    var directory: String

    @Option(help: ArgumentHelp("The folder with the root's key.", valueName: "dir"))
    var offline: String

    @Option(help: ArgumentHelp("The passphrase is this file's first line.", valueName: "file"))
    var passphraseFile: String?

    @OptionGroup var json: JSONOption

    func run() async throws {
        try json.check()
        let locked = try SecretFile.read(offline + "/root.key")
        let passphrase = try Passphrase.known(file: passphraseFile)
        let rootKey: TLSKey
        do { rootKey = try EncryptedKey.unlock(String(decoding: locked, as: UTF8.self), passphrase: passphrase) } catch
        {
            throw CommandError(
                .notDone, "the root's key cannot be opened with this passphrase", hint: "try again; see \(offline)")
        }
        let end = try AuthorityFolder.renewIssuing(at: directory + "/keys", rootKey: rootKey, now: wallSeconds())
        let until = Date(timeIntervalSince1970: TimeInterval(end)).formatted(.iso8601)
        json.console.line("the issuing certificate holds until \(until)")
        json.console.line("restart the aggregator, and TAKE \(offline) OFFLINE AGAIN")
        try json.write(Result(directory: directory, until: until))
    }
}
