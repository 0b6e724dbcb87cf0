// SPDX-License-Identifier: Apache-2.0
// The pages about layers say what the program does.

import Federation
import Foundation
import Testing

@Suite struct ModelDocumentationTests {
    /// The page with what the program writes between its marks.
    private static func updated(_ page: String) -> String {
        var page = page
        for (name, text) in [
            ("layers", ModelDocumentation.layers), ("activations", ModelDocumentation.activations),
        ] {
            guard let start = page.range(of: "<!-- \(name), written by the program"),
                let open = page.range(of: "-->\n", range: start.upperBound..<page.endIndex),
                let end = page.range(of: "<!-- end of \(name) -->", range: open.upperBound..<page.endIndex)
            else {
                Issue.record("the page has no marks for \(name)")
                continue
            }
            page.replaceSubrange(open.upperBound..<end.lowerBound, with: "\n" + text + "\n")
        }
        return page
    }

    @Test func thePageOfModelsIsWhatTheCodeGives() throws {
        let page = try String(contentsOfFile: ProjectFiles.path("protocol/models.md"), encoding: .utf8)
        let expected = Self.updated(page)
        if page != expected {
            let file = FileManager.default.temporaryDirectory.appending(path: "models.md")
            try expected.write(to: file, atomically: true, encoding: .utf8)
            Issue.record("protocol/models.md is not what the code gives; \(file.path) is")
        }
    }

    @Test func everyKindHasARow() {
        for kind in ["dense", "conv1D", "maxPool2D", "globalAveragePool", "flatten", "reshape", "softmax"] {
            #expect(ModelDocumentation.layers.contains("| `\(kind)` |"))
        }
        #expect(!ModelDocumentation.layers.contains("averagePool0D"))
    }
}
