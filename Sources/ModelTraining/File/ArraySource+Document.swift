// SPDX-License-Identifier: Apache-2.0
// Arrays in the section `data` of a training file: which array feeds which input and which loss.

import Federation

/// The inputs and losses of the model that arrays are named for.
struct ArrayForm {
    let inputs: [String]
    /// nil: the model's only output.
    let losses: [String?]
}

extension ArraySource {
    init(_ reader: DocumentReader, _ form: ArrayForm) throws(DocumentError) {
        let fields = try reader.fields(["file", "inputs", "target"])
        let inputs = try InputArrays(fields.required("inputs"), form, training: nil)
        var conversions: [ArrayConversion] = []
        for body in inputs.bodies { conversions.append(try ArrayConversion(body)) }
        self.conversions = conversions
        place = ArrayPlace(
            file: try fields.required("file").text(), inputs: inputs.names, lengths: inputs.lengths,
            targets: try ArrayPlace.targets(fields.required("target"), form))
    }

    func canonicalValue(_ form: ArrayForm) -> CanonicalValue {
        var fields = place.canonicalFields(form)
        var inputs: [String: CanonicalValue] = [:]
        for (index, name) in form.inputs.enumerated() {
            var input: [String: CanonicalValue] = ["array": .string(place.inputs[index])]
            if !place.lengths.isEmpty, !place.lengths[index].isEmpty {
                input["lengths"] = .string(place.lengths[index])
            }
            conversions[index].add(to: &input)
            inputs[name] = .object(input)
        }
        fields["inputs"] = .object(inputs)
        return .object(fields)
    }
}

extension ArrayPlace {
    /// The arrays of validation or test: a file that is not named is that of the training arrays.
    init(_ reader: DocumentReader, _ form: ArrayForm, training: ArrayPlace) throws(DocumentError) {
        let fields = try reader.fields(["file", "inputs", "target"])
        let inputs = try fields[optional: "inputs"].map { field throws(DocumentError) in
            try InputArrays(field, form, training: training)
        }
        let target = try fields[optional: "target"].map { field throws(DocumentError) in
            try Self.targets(field, form)
        }
        self.init(
            file: try fields[optional: "file"]?.text() ?? training.file, inputs: inputs?.names ?? training.inputs,
            lengths: inputs?.lengths ?? training.lengths, targets: target ?? training.targets)
        guard self != training else {
            throw reader.error("are the training examples again", hint: "name another file or other arrays, or a share")
        }
    }

    /// One array, several side by side, or those of each output by name.
    static func targets(_ reader: DocumentReader, _ form: ArrayForm) throws(DocumentError) -> [[String]] {
        if form.losses == [nil] { return [try reader.texts()] }
        let names = form.losses.compactMap(\.self)
        let fields = try reader.fields(names)
        var targets: [[String]] = []
        for name in names { targets.append(try fields.required(name).texts()) }
        return targets
    }

    func canonicalFields(_ form: ArrayForm) -> [String: CanonicalValue] {
        var inputs: [String: CanonicalValue] = [:]
        for (index, name) in form.inputs.enumerated() {
            let hasLengths = !lengths.isEmpty && !lengths[index].isEmpty
            inputs[name] =
                hasLengths
                ? .object(["array": .string(self.inputs[index]), "lengths": .string(lengths[index])])
                : .string(self.inputs[index])
        }
        let target: CanonicalValue =
            form.losses == [nil]
            ? .strings(targets[0])
            : .object(
                Dictionary(zip(form.losses.compactMap(\.self), targets.map { .strings($0) })) { first, _ in first })
        return ["file": .string(file), "inputs": .object(inputs), "target": target]
    }
}

/// For each input of the model the array that feeds it.
private struct InputArrays {
    private(set) var names: [String] = []
    /// Empty when no input has lengths; else the empty text for those without.
    private(set) var lengths: [String] = []
    /// Where the conversions of each input stand.
    private(set) var bodies: [DocumentReader] = []

    /// - Parameter training: The training arrays, when these are of another part, which has no conversions of its own.
    init(_ reader: DocumentReader, _ form: ArrayForm, training: ArrayPlace?) throws(DocumentError) {
        let fields = try reader.fields(form.inputs)
        for input in form.inputs {
            let body = try fields.required(input)
            bodies.append(body)
            if case .scalar = body.node.content {
                names.append(try body.text())
                lengths.append("")
                continue
            }
            let keys = ["array", "lengths"] + (training == nil ? ArrayConversion.keys : [])
            let own = try body.fields(keys)
            names.append(try own.required("array").text())
            lengths.append(try own[optional: "lengths"]?.text() ?? "")
        }
        if lengths.allSatisfy(\.isEmpty) { lengths = [] }
    }
}

extension ArrayConversion {
    fileprivate static let keys = ["divide", "mean", "deviation", "channelsLast"]

    fileprivate init(_ reader: DocumentReader) throws(DocumentError) {
        guard case .mapping = reader.node.content else {
            self.init(divisor: 1, mean: [0], deviation: [1], isChannelsLast: false)
            return
        }
        let fields = try reader.fields(["array", "lengths"] + Self.keys)
        func numbers(_ key: String, _ range: ClosedRange<Double>, _ standard: Double) throws(DocumentError) -> [Double]
        {
            guard let field = fields[optional: key] else { return [standard] }
            if case .scalar = field.node.content { return [try field.decimal(range)] }
            var numbers: [Double] = []
            for element in try field.elements() { numbers.append(try element.decimal(range)) }
            guard (1...4_096).contains(numbers.count) else {
                throw field.error("has \(numbers.count) numbers", hint: "one number, or one for each channel")
            }
            return numbers
        }
        self.init(
            divisor: try fields[optional: "divide"]?.decimal(1e-12...1e12) ?? 1,
            mean: try numbers("mean", -1e12...1e12, 0), deviation: try numbers("deviation", 1e-12...1e12, 1),
            isChannelsLast: try fields[optional: "channelsLast"]?.boolean() ?? false)
    }

    fileprivate func add(to input: inout [String: CanonicalValue]) {
        input["divide"] = .decimal(divisor)
        input["mean"] = .array(mean.map { .decimal($0) })
        input["deviation"] = .array(deviation.map { .decimal($0) })
        input["channelsLast"] = .boolean(isChannelsLast)
    }
}
