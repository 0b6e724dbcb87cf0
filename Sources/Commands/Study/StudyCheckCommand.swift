// SPDX-License-Identifier: Apache-2.0
// `consilium study check`: what a study asks for, and whether it is valid.

import ArgumentParser
import Federation
import Foundation
import StudyFiles

struct StudyCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a study file and show what it asks for.",
        discussion: """
            Exit status 1 and FILE:LINE:COLUMN when the study is not valid.

            Examples:
              consilium study check studies/heart-disease.yaml
              consilium study check studies/heart-disease.yaml --json -
              consilium study check studies/heart-disease.yaml --canonical | sha256sum
            """)

    @Argument(help: "The study file (YAML).")
    var file: String

    @Flag(help: "Print the canonical bytes, which the study's hash is made of.")
    var canonical = false

    @OptionGroup var json: JSONOption

    func validate() throws {
        if canonical, json.json == "-" { throw ValidationError("--canonical and --json - both need standard output") }
    }

    func run() async throws {
        let console = json.console
        let study: Study
        do { study = try StudyFile.load(file) } catch { throw CommandError(error, invalid: .doesNotHold) }
        let summary = try StudySummary(study)
        if canonical {
            StandardOutput.write(Data(study.canonicalBytes))
        } else {
            summary.print(to: console)
        }
        try json.write(summary)
    }
}
