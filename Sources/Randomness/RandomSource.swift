// SPDX-License-Identifier: Apache-2.0
// Where keys, seeds, nonces and rounding come from: the operating system, or a seed in tests and simulation.

import Glibc
import Synchronization

/// A source of secret random bytes, handed as a parameter to everything that draws some.
///
/// Copies share one source: bytes drawn through one copy are never drawn again through another.
package struct RandomSource: Sendable {
    private enum Origin: Sendable {
        case operatingSystem
        case seeded(SharedGenerator)
    }

    /// The most that `getentropy` serves in one call.
    private static let systemRequestBytes = 256

    private let origin: Origin

    /// The operating system's generator (`getrandom`, through `getentropy`), which blocks until the machine has
    /// gathered entropy once.
    package static let system = RandomSource(origin: .operatingSystem)

    /// A source that everyone who knows the seed can predict.
    ///
    /// Privacy: no secrecy at all. It exists so that a whole simulated federation replays from one number.
    package static func seeded(forTestingAndSimulation seed: UInt64) -> RandomSource {
        RandomSource(origin: .seeded(SharedGenerator(seed: seed)))
    }

    /// Draws `count` bytes.
    ///
    /// A seeded source takes them from the words of ``SeededGenerator`` (stream `"random source"`), least significant
    /// byte first; the unused part of the last word is thrown away.
    ///
    /// - Precondition: `count >= 0`.
    package func bytes(_ count: Int) -> [UInt8] {
        precondition(count >= 0, "a number of bytes is not negative")
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            unsafe fill(UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
            initialized = count
        }
    }

    /// Starts a keyed stream under a fresh key that nobody else knows: for bulk needs such as stochastic rounding.
    ///
    /// - Throws: ``RandomnessError/cipherUnavailable`` if libcrypto cannot set up AES-256-CTR.
    package func keyedStream() throws(RandomnessError) -> KeyedStream {
        try KeyedStream(key: bytes(KeyedStream.keyBytes))
    }

    /// Draws as many bytes as the buffer holds; see ``bytes(_:)``.
    package func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        switch origin {
        case .operatingSystem: unsafe Self.fillFromSystem(buffer)
        case .seeded(let shared): unsafe shared.fill(buffer)
        }
    }

    private static func fillFromSystem(_ buffer: UnsafeMutableRawBufferPointer) {
        var offset = 0
        while offset < buffer.count {
            let count = min(systemRequestBytes, buffer.count - offset)
            let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + count])
            guard let base = piece.baseAddress, unsafe getentropy(base, count) == 0 else {
                // Only a kernel without the call ends here; going on without entropy would be worse than stopping.
                fatalError("the operating system gives no random bytes (errno \(errno))")
            }
            offset += count
        }
    }
}

/// The advancing state of a seeded source, shared by its copies.
private final class SharedGenerator: Sendable {
    /// Guards the generator; held while one request is served.
    private let generator: Mutex<SeededGenerator>

    init(seed: UInt64) {
        generator = Mutex(SeededGenerator(seed: seed, stream: "random source"))
    }

    func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        generator.withLock { generator in
            var offset = 0
            while offset < buffer.count {
                unsafe withUnsafeBytes(of: generator.next().littleEndian) { word in
                    let count = min(word.count, buffer.count - offset)
                    unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + count])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: word.prefix(count)))
                    offset += count
                }
            }
        }
    }
}
