// SPDX-License-Identifier: Apache-2.0
// An array as NumPy stores it, and its elements as the numbers that models take.

/// An array of numbers, row-major.
package struct NumpyArray: Sendable {
    /// What one element is; the raw value is NumPy's word for it.
    package enum ElementType: String, CaseIterable, Hashable, Sendable {
        case boolean = "|b1"
        case unsigned8 = "|u1"
        case signed8 = "|i1"
        case signed16 = "<i2"
        case signed32 = "<i4"
        case signed64 = "<i8"
        case float32 = "<f4"
        case float64 = "<f8"

        package var byteCount: Int {
            switch self {
            case .boolean, .unsigned8, .signed8: 1
            case .signed16: 2
            case .signed32, .float32: 4
            case .signed64, .float64: 8
            }
        }
    }

    package let type: ElementType
    /// The lengths of the dimensions, the slowest first; empty for a single number.
    package let shape: [Int]
    /// Header and elements, little-endian.
    private let bytes: [UInt8]
    private let dataStart: Int

    /// - Precondition: the bytes from `dataStart` on are as many as the shape takes.
    init(type: ElementType, shape: [Int], bytes: [UInt8], dataStart: Int) {
        precondition((bytes.count - dataStart) == shape.reduce(type.byteCount, *), "the bytes of \(shape)")
        self.type = type
        self.shape = shape
        self.bytes = bytes
        self.dataStart = dataStart
    }

    /// How many elements there are.
    package var count: Int { (bytes.count - dataStart) / type.byteCount }

    /// The elements as floats: float32 bit for bit, others rounded to the nearest. Values that are not finite stay so.
    package var floats: [Float] {
        switch type {
        case .boolean: elements(UInt8.self) { $0 == 0 ? 0 : 1 }
        case .unsigned8: elements(UInt8.self) { Float($0) }
        case .signed8: elements(Int8.self) { Float($0) }
        case .signed16: elements(Int16.self) { Float($0) }
        case .signed32: elements(Int32.self) { Float($0) }
        case .signed64: elements(Int64.self) { Float($0) }
        case .float32: elements(UInt32.self) { Float(bitPattern: $0) }
        case .float64: elements(UInt64.self) { Float(Double(bitPattern: $0)) }
        }
    }

    /// The elements as doubles; integers beyond 2⁵³ are rounded.
    package var doubles: [Double] {
        switch type {
        case .float64: elements(UInt64.self) { Double(bitPattern: $0) }
        case .signed64: elements(Int64.self) { Double($0) }
        // A float holds every integer of up to 24 bits.
        case .signed32: elements(Int32.self) { Double($0) }
        default: floats.map { Double($0) }
        }
    }

    /// The elements as whole numbers, such as labels; nil for floats, which may not be whole.
    package var integers: [Int]? {
        switch type {
        case .boolean: elements(UInt8.self) { $0 == 0 ? 0 : 1 }
        case .unsigned8: elements(UInt8.self) { Int($0) }
        case .signed8: elements(Int8.self) { Int($0) }
        case .signed16: elements(Int16.self) { Int($0) }
        case .signed32: elements(Int32.self) { Int($0) }
        case .signed64: elements(Int64.self) { Int($0) }
        case .float32, .float64: nil
        }
    }

    private func elements<Bits: FixedWidthInteger, Value>(_ bits: Bits.Type, _ value: (Bits) -> Value) -> [Value] {
        bytes.withUnsafeBytes { raw in
            (0..<count).map { index in
                let place = dataStart + index * MemoryLayout<Bits>.size
                return value(Bits(littleEndian: raw.loadUnaligned(fromByteOffset: place, as: Bits.self)))
            }
        }
    }
}
