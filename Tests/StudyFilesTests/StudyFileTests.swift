// SPDX-License-Identifier: Apache-2.0
// Study files: the committed ones, the hash they have, and where an error is found.

import Federation
import Foundation
import NeuralNetworks
import Randomness
import StudyFiles
import Testing

@Suite struct StudyFileTests {
    private let path = ProjectFiles.path("studies/heart-disease.yaml")

    private func heartDisease() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    /// The error after the first `old` was replaced, with the number of the line that held it.
    private func error(replacing old: String, with new: String) throws -> (FileError, line: Int) {
        let text = try heartDisease()
        let range = try #require(text.range(of: old))
        let line = text[..<range.lowerBound].count { $0 == "\n" } + 1
        let changed = text.replacingCharacters(in: range, with: new)
        do {
            _ = try StudyFile.parse(changed, path: "study.yaml")
        } catch let error as FileError {
            return (error, line)
        }
        Issue.record("was not refused")
        throw CancellationError()
    }

    @Test func theHeartDiseaseStudySaysWhatItShould() throws {
        let study = try StudyFile.load(path)
        #expect(study.name == "heart-disease")
        #expect(study.task == .binary)
        #expect(
            study.data.features.map { study.data.name(of: $0) } == [
                "age", "sex=1", "cp=2", "cp=3", "cp=4", "trestbps", "chol", "fbs=1", "restecg=1", "restecg=2",
                "thalach",
                "exang=1", "oldpeak",
            ])
        #expect(study.data.label?.kind == .binary(positive: ["1", "2", "3", "4"], negative: ["0"]))
        #expect(study.model == ModelSpecification(layers: [Dense(1)]))
        #expect(study.training.optimizer == .sgd(momentum: 0, nesterov: false, weightDecay: 0))
        #expect(study.training.localWork == .steps(100))
        #expect(study.federation.rounds == 15)
        #expect(study.federation.numbers.weightUnit == 32)
        #expect(!study.purpose.contains("\n"))
    }

    @Test(arguments: ["heart-disease", "diabetes-readmission", "heart-failure"])
    func everyCommittedStudyIsValidAndHasTheNameOfItsFile(_ name: String) throws {
        let study = try StudyFile.load(ProjectFiles.path("studies/\(name).yaml"))
        #expect(study.name == name)
        #expect(try Study(canonicalBytes: study.canonicalBytes) == study)
    }

    @Test func noStudyFileIsLeftOut() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: ProjectFiles.path("studies"))
        #expect(
            names.filter { $0.hasSuffix(".yaml") }.sorted()
                == ["diabetes-readmission.yaml", "heart-disease.yaml", "heart-failure.yaml"])
    }

    @Test func theExampleOfTheDocumentationIsValid() throws {
        let text = try String(contentsOfFile: ProjectFiles.path("studies/README.md"), encoding: .utf8)
        let heading = try #require(text.range(of: "## Another example\n"))
        let example = text[heading.upperBound...].split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix("    ") ? String($0.dropFirst(4)) : String($0) }
            .joined(separator: "\n")
        let study = try StudyFile.parse(example, path: "README.md")
        #expect(study.name == "falls")
        #expect(study.data.features.count == 5)
    }

    @Test func theOrderOfKeysDoesNotChangeTheHash() throws {
        let document = try YAMLDocument.load(contentsOf: path)
        let hash = try Study(document: document).hash
        var generator = SeededGenerator(seed: 3, stream: "keys")
        for _ in 0..<20 {
            let shuffled = document.shuffled(using: &generator)
            #expect(shuffled.text != document.text)
            #expect(try Study(document: shuffled).hash == hash)
        }
    }

    @Test func theSpellingOfTextsDoesNotChangeTheHash() throws {
        let text = try heartDisease().replacing("in four hospitals", with: "à Zürich")
        let hash = try StudyFile.parse(text, path: "f").hash
        #expect(try StudyFile.parse(text.decomposedStringWithCanonicalMapping, path: "f").hash == hash)
        #expect(try StudyFile.parse(text.replacing("\n", with: "\r\n"), path: "f").hash == hash)
        #expect(try StudyFile.parse(text.replacing("\"0\"", with: "'0'"), path: "f").hash == hash)
        #expect(try StudyFile.parse(text.replacing("0.01", with: "1e-2"), path: "f").hash == hash)
        #expect(try StudyFile.parse(text.replacing("0.01", with: "0.02"), path: "f").hash != hash)
    }

    @Test func anUnknownKeyIsFoundInItsLine() throws {
        let (error, line) = try error(replacing: "dropFirst: true", with: "drop: true")
        #expect(error.position == SourcePosition(line: line, column: 37))
        #expect(error.problem == "`data.columns[2].category` has an unknown key")
        #expect(error.hint == "known keys: codes, unknownCode, dropFirst, standardize")
        #expect(
            error.description.hasPrefix("study.yaml:\(line):37: `data.columns[2].category` has an unknown key\nhint: "))
    }

    @Test func aMissingOrWrongUnitIsFoundInItsLine() throws {
        let missing = try error(replacing: "unit: years, ", with: "")
        #expect(missing.0.position == SourcePosition(line: missing.line, column: 15))
        #expect(missing.0.problem == "`data.columns[1].number` lacks the key `unit`")
        #expect(missing.0.hint == "add `unit:`")
        let list = try error(replacing: "unit: mg/dL", with: "unit: [mg, dL]")
        #expect(list.0.position == SourcePosition(line: list.line, column: 22))
        #expect(list.0.problem == "`data.columns[5].number.unit` must be a single value")
    }

    @Test func anImpossibleShapeIsFoundAtTheLayer() throws {
        let (error, line) = try error(replacing: "- dense: {units: 1}", with: "- dense: {units: 2}")
        #expect(error.position == SourcePosition(line: line, column: 7))
        #expect(error.problem == "`model.layers[0]` does not fit")
        #expect(error.hint == "layer 0 (dense) has 2 units: the head needs 1")
    }

    @Test func aRepeatedKeyIsFoundInItsLine() throws {
        let (error, line) = try error(replacing: "  batchSize: 4\n", with: "  batchSize: 4\n  batchSize: 8\n")
        #expect(error.code == .syntax)
        #expect(error.position == SourcePosition(line: line, column: 3))
        #expect(error.problem == "this key appears again in the same mapping")
        #expect(error.hint == "keep one of them")
    }

    @Test func aMissingLabelIsFoundAtTheColumns() throws {
        let label = "label: {positive: [\"1\", \"2\", \"3\", \"4\"], negative: [\"0\"]}"
        let (error, _) = try error(replacing: label, with: "group: {codes: [\"0\"]}")
        let columns = try heartDisease().split(separator: "\n", omittingEmptySubsequences: false)
        let line = try #require(columns.firstIndex { $0.hasPrefix("    - name: patient") }) + 1
        #expect(error.position == SourcePosition(line: line, column: 5))
        #expect(error.problem == "`data.columns` must hold exactly one label")
        #expect(error.hint == "mark the target column with `label:`")
    }

    @Test func anErrorNeverRepeatsAValue() throws {
        let (error, _) = try error(replacing: "learningRate: 0.01", with: "learningRate: Marvin-1234")
        #expect(error.problem == "`training.learningRate` must be a finite number")
        #expect(!error.description.contains("Marvin"))
    }
}

@Suite struct StudyFileGoldenTests {
    @Test func theHeartDiseaseFileHasTheBytesAndHashMadeByAnotherLanguage() throws {
        let study = try StudyFile.load(ProjectFiles.path("studies/heart-disease.yaml"))
        #expect(study.canonicalBytes == (try ProjectFiles.vector("study/heart-disease.json")))
        let hash = String(decoding: try ProjectFiles.vector("study/heart-disease.sha256"), as: UTF8.self)
        #expect(study.hash.hex + "\n" == hash)
    }

    @Test func canonicalBytesAreAlsoAStudyFile() throws {
        let bytes = try ProjectFiles.vector("study/heart-disease.json")
        let study = try StudyFile.parse(String(decoding: bytes, as: UTF8.self), path: "heart-disease.json")
        #expect(study.canonicalBytes == bytes)
    }
}
