// SPDX-License-Identifier: Apache-2.0
// The description inside a study's model files: which study, which round, which preprocessing.

package import Federation
package import NeuralNetworks

/// What a model file of a study says about itself. Everything a hospital needs to use the model stands in the file.
package struct StudyModel: Sendable {
    package let study: Study
    package let studyHash: Digest
    package let preprocessing: Preprocessing
    /// The training round that made the parameters; 0 for the initial ones.
    package let round: Int
    /// Training rows over all sites at the statistics round.
    package let trainingRows: Int
    package let network: Network

    private enum Key {
        static let format = "consilium.format"
        static let study = "consilium.study"
        static let studyHash = "consilium.studyHash"
        static let preprocessing = "consilium.preprocessing"
        static let round = "consilium.round"
        static let trainingRows = "consilium.trainingRows"
        static let card = "consilium.card"
        static let formatValue = "1"
    }

    package init(study: Study, preprocessing: Preprocessing, round: Int, trainingRows: Int) throws(ModelError) {
        self.study = study
        studyHash = study.hash
        self.preprocessing = preprocessing
        self.round = round
        self.trainingRows = trainingRows
        network = try Network(study.model, inputs: study.data.features.count, head: study.task.head)
    }

    /// The same model after another round.
    package func atRound(_ round: Int) throws(ModelError) -> StudyModel {
        try StudyModel(study: study, preprocessing: preprocessing, round: round, trainingRows: trainingRows)
    }

    /// The bytes in front of the parameters.
    package var headerBytes: [UInt8] {
        SafetensorsHeader.headerBytes(tensors: network.slices.map { ($0.name, $0.shape) }, metadata: metadata)
    }

    /// The metadata of the file. The card says in words what the model is and what it is not.
    package var metadata: [String: String] {
        let card = CanonicalValue.object([
            "title": .string(study.title), "purpose": .string(study.purpose), "round": .count(round),
            "trainingRows": .count(trainingRows),
            "inputs": .strings(study.data.features.map { study.data.name(of: $0) }),
            "privacy": .string("secure transport only: no masking and no differential privacy in this version"),
            "limits": .string("for research; not a medical device; evaluate on local patients before any use"),
        ])
        func text(_ value: CanonicalValue) -> String { String(decoding: value.bytes, as: UTF8.self) }
        return [
            Key.format: Key.formatValue, Key.study: text(study.canonicalValue), Key.studyHash: studyHash.hex,
            Key.preprocessing: text(preprocessing.canonicalValue), Key.round: String(round),
            Key.trainingRows: String(trainingRows), Key.card: text(card),
        ]
    }

    /// Reads the description of a model file and checks that its tensors are those of the study's network.
    ///
    /// - Throws: ``ModelFileError`` with the code `foreignModel` when the file is not a model of a study, or its parts
    ///   contradict each other.
    package init(_ file: ModelFile) throws {
        func refuse(_ message: String) -> ModelFileError {
            ModelFileError(.foreignModel, message, hint: "use a model file written by this program")
        }
        guard file.metadata[Key.format] == Key.formatValue, let studyText = file.metadata[Key.study],
            let preprocessingText = file.metadata[Key.preprocessing],
            let round = file.metadata[Key.round].flatMap(Int.init), round >= 0,
            let rows = file.metadata[Key.trainingRows].flatMap(Int.init), rows >= 0
        else { throw refuse("the file lacks the description of a study") }
        let study: Study
        let preprocessing: Preprocessing
        do {
            study = try Study(canonicalBytes: Array(studyText.utf8))
            preprocessing = try Preprocessing(
                document: try CanonicalValue(canonicalBytes: Array(preprocessingText.utf8)).documentNode,
                contract: study.data)
        } catch { throw refuse("the description of the study in the file is not valid") }
        try self.init(study: study, preprocessing: preprocessing, round: round, trainingRows: rows)
        guard file.metadata[Key.studyHash] == studyHash.hex else {
            throw refuse("the study hash is not that of the study")
        }
        let expected = network.slices.map { "\($0.name) \($0.shape)" }
        guard file.tensors.map({ "\($0.name) \($0.shape)" }) == expected else {
            throw refuse("the tensors are not those of the study's model")
        }
    }
}
