// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
// The fuzzers: programs of libFuzzer around the parsers that read a peer's bytes. `make fuzz` builds and runs them.

import PackageDescription

let shared: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]
let pure = shared + [.strictMemorySafety()]
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")

/// libFuzzer brings the `main`; the entry point is found by its C name.
func fuzzer(_ name: String) -> Target {
    .executableTarget(
        name: name, dependencies: ["FuzzTargets"], swiftSettings: shared + [.unsafeFlags(["-parse-as-library"])])
}

// One package, since `package` declarations are seen inside one only: Sources/ has links to the folders of the modules.
let package = Package(
    name: "consilium-fuzz", dependencies: [.package(url: "https://github.com/apple/swift-crypto", from: "4.5.0")],
    targets: [
        .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto"),
        .target(name: "Kernels", cSettings: [.unsafeFlags(["-ffp-contract=off"])]),
        .target(name: "COneDNN"),
        .target(name: "Randomness", dependencies: ["CLibcrypto"], swiftSettings: pure),
        .target(name: "RingArithmetic", dependencies: ["Kernels", "Randomness"], swiftSettings: pure),
        .target(name: "Tensors", dependencies: ["Kernels", "COneDNN"], swiftSettings: pure),
        .target(name: "NeuralNetworks", dependencies: ["Randomness", "Tensors"], swiftSettings: pure),
        .target(
            name: "Federation", dependencies: [crypto, "NeuralNetworks", "Randomness", "RingArithmetic"],
            swiftSettings: pure),
        .target(name: "TransparencyLog", dependencies: ["Federation"], swiftSettings: pure),
        .target(
            name: "SecureAggregation",
            dependencies: [crypto, "Federation", "Kernels", "Randomness", "RingArithmetic", "TransparencyLog"],
            swiftSettings: pure),
        .target(
            name: "FuzzTargets", dependencies: ["Federation", "RingArithmetic", "SecureAggregation"],
            swiftSettings: shared),
        fuzzer("fuzz-objects"), fuzzer("fuzz-envelope"), fuzzer("fuzz-vector"), fuzzer("fuzz-roster"),
    ])
