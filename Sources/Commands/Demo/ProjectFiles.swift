// SPDX-License-Identifier: Apache-2.0
// Where the demo finds the project's files and the daemons' programs.

import Foundation

/// The project's folder and the folder of the programs.
struct ProjectFiles: Sendable {
    let root: URL
    let programs: URL

    /// Looks from the current folder and from this program's folder upwards.
    static func find() throws -> ProjectFiles {
        let files = FileManager.default
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        for name in ["consilium-aggregator", "consilium-site"]
        where !files.isExecutableFile(atPath: program.appending(path: name).path) {
            throw CommandError(
                .notDone, "the program \(name) is not in \(program.path)", hint: "build it: swift build -c release")
        }
        for start in [URL(fileURLWithPath: files.currentDirectoryPath), program] {
            var folder = start
            while true {
                if files.isReadableFile(atPath: folder.appending(path: "studies/heart-disease.yaml").path) {
                    return ProjectFiles(root: folder, programs: program)
                }
                let parent = folder.deletingLastPathComponent()
                guard parent.path != folder.path, folder.path != "/" else { break }
                folder = parent
            }
        }
        throw CommandError(
            .notDone, "the project's folder studies/ is found neither from here nor from the program",
            hint: "run the demo inside the project's folder")
    }
}
