// SPDX-License-Identifier: Apache-2.0
// Canonical bytes of studies: every study survives them, and no two byte strings mean the same study.

import Federation
import NeuralNetworks
import Randomness
import Testing

@Suite struct StudyRoundTripTests {
    private static let seed: UInt64 = 20_240_611

    @Test func everyStudySurvivesItsCanonicalBytes() throws {
        var studies = RandomStudy(seed: Self.seed)
        var words: Set<String> = []
        for number in 0..<400 {
            let study = studies.next()
            let bytes = study.canonicalBytes
            let copy = try Study(canonicalBytes: bytes)
            #expect(copy == study, "seed \(Self.seed), study \(number)")
            #expect(copy.canonicalBytes == bytes, "seed \(Self.seed), study \(number)")
            #expect(copy.hash == study.hash)
            collectWords(in: study.canonicalValue, into: &words)
        }
        // The draw reached every kind of everything.
        let kinds: Set<String> = [
            "binary", "multiclass", "regression", "number", "category", "date", "label", "patientKey", "group", "split",
            "classes", "positive", "codes", "bands", "dense", "dropout", "sgd", "adam", "adamW", "rmsprop",
            "adagrad", "lamb", "amsgrad", "constant", "step", "cosine", "oneCycle", "warmup", "then", "localSteps",
            "localEpochs", "fedAvg", "fedProx", "fedAvgM", "fedAdam", "fedYogi",
            "fedAdagrad", "scaffold", "fedNova", "refuse", "clip", "missing", "yearMonthDay", "dayMonthYear",
            "monthDayYear", "linear", "relu", "tanh", "sigmoid",
        ]
        #expect(kinds.subtracting(words).isEmpty)
    }

    private func collectWords(in value: CanonicalValue, into words: inout Set<String>) {
        switch value {
        case .object(let fields):
            words.formUnion(fields.keys)
            for field in fields.values { collectWords(in: field, into: &words) }
        case .array(let elements): for element in elements { collectWords(in: element, into: &words) }
        case .string(let text): words.insert(text)
        case .integer: break
        }
    }

    @Test func changedBytesAreRefusedOrMeanAnotherStudy() throws {
        var studies = RandomStudy(seed: Self.seed + 1)
        var generator = SeededGenerator(seed: Self.seed, stream: "bytes")
        var accepted = 0
        for _ in 0..<20 {
            let study = studies.next()
            let bytes = study.canonicalBytes
            for _ in 0..<200 {
                var changed = bytes
                let index = generator.index(below: bytes.count)
                switch generator.index(below: 3) {
                case 0: changed[index] = UInt8(truncatingIfNeeded: generator.next())
                case 1: changed.remove(at: index)
                default: changed.insert(UInt8(generator.index(below: 128)), at: index)
                }
                guard changed != bytes, let other = try? Study(canonicalBytes: changed) else { continue }
                accepted += 1
                #expect(other.canonicalBytes == changed)
                #expect(other.hash != study.hash)
            }
        }
        #expect(accepted > 20)
    }

    @Test func differentStudiesHaveDifferentHashes() {
        var studies = RandomStudy(seed: Self.seed + 2)
        let drawn = Set((0..<300).map { _ in studies.next() })
        #expect(drawn.count == 300)
        #expect(Set(drawn.map(\.hash)).count == 300)
    }

    @Test func aStudyThatLeavesOutADefaultIsNotCanonical() throws {
        let study = try Study(document: SampleStudy.value.documentNode)
        #expect(throws: CanonicalJSONError.notCanonical) { try Study(canonicalBytes: SampleStudy.value.bytes) }
        #expect(try Study(canonicalBytes: study.canonicalBytes) == study)
        // The same bytes with 0.10 for 0.1: valid for a person, not for a machine.
        let text = String(decoding: study.canonicalBytes, as: UTF8.self)
        let padded = text.replacing(#""learningRate":"0.1""#, with: #""learningRate":"0.10""#)
        #expect(padded != text)
        #expect(throws: CanonicalJSONError.notCanonical) { try Study(canonicalBytes: Array(padded.utf8)) }
    }
}

@Suite struct StudyGoldenTests {
    @Test func canonicalBytesAndHashAreThoseOfAnotherLanguage() throws {
        let bytes = try StudyVectors.bytes("heart-disease.json")
        let hash = String(decoding: try StudyVectors.bytes("heart-disease.sha256"), as: UTF8.self)
        let study = try Study(canonicalBytes: bytes)
        #expect(study.canonicalBytes == bytes)
        #expect(study.hash.hex + "\n" == hash)
        #expect(study.data.features.count == 13)
    }
}
