// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
// The modules of Consilium and their arrows; ARCHITECTURE.md explains the layers.

import PackageDescription

// Not among them: NonisolatedNonsendingByDefault. Under it Swift 6.3.1 leaves out the way back to the caller's actor when a
// function ends by throwing (swiftlang/swift#88285, #88687, #89693), and two threads ran inside one actor of ours.
let shared: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]
let pure = shared + [.strictMemorySafety()]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioExtras = Target.Dependency.product(name: "NIOExtras", package: "swift-nio-extras")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioTestUtils = Target.Dependency.product(name: "NIOTestUtils", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let swiftASN1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let swiftProtobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "consilium",
    traits: [
        .default(enabledTraits: ["OneDNN"]),
        .trait(name: "OneDNN", description: "Large products, convolutions and pooling on oneDNN (libdnnl-dev)"),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Arithmetic
        .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "Kernels", cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off"])]),
        .target(
            name: "COneDNN", cSettings: [.define("CONSILIUM_ONEDNN", .when(traits: ["OneDNN"]))],
            linkerSettings: [
                .linkedLibrary("dnnl", .when(traits: ["OneDNN"])), .linkedLibrary("gomp", .when(traits: ["OneDNN"])),
            ]),
        .target(name: "Randomness", dependencies: ["CLibcrypto"], swiftSettings: pure),
        .target(name: "RingArithmetic", dependencies: ["Kernels", "Randomness"], swiftSettings: pure),
        .target(name: "Tensors", dependencies: ["COneDNN", "Kernels"], swiftSettings: pure),
        // Domain
        .target(name: "NeuralNetworks", dependencies: ["Randomness", "Tensors"], swiftSettings: pure),
        .target(
            name: "Federation", dependencies: [crypto, "NeuralNetworks", "Randomness", "RingArithmetic"],
            swiftSettings: pure),
        .target(
            name: "SecureAggregation",
            dependencies: [crypto, "Federation", "Kernels", "Randomness", "RingArithmetic", "TransparencyLog"],
            swiftSettings: pure),
        .target(name: "TransparencyLog", dependencies: ["Federation"], swiftSettings: pure),
        // Edges
        .target(
            name: "ClinicalData", dependencies: ["CZlib", "Federation", "Kernels", "Randomness"], swiftSettings: shared),
        .target(
            name: "Enrolment", dependencies: ["CLibcrypto", crypto, "Federation", "Randomness", swiftASN1, x509],
            exclude: ["Joining/make-word-list.py"], swiftSettings: shared),
        .target(name: "Execution", dependencies: [nioPosix], swiftSettings: shared),
        .target(name: "ModelFiles", dependencies: ["Federation", "NeuralNetworks"], swiftSettings: shared),
        .target(
            name: "PeerTransport",
            dependencies: [
                crypto, logging, nioCore, nioExtras, nioHTTP1, nioPosix, nioSSL, nioTLS, swiftASN1, x509,
            ],
            swiftSettings: shared),
        .target(
            name: "Store", dependencies: ["Enrolment", "Federation", grdb, "Kernels"], swiftSettings: shared),
        .target(
            name: "StudyFiles", dependencies: ["ClinicalData", configuration, "Federation", "NeuralNetworks", yams],
            swiftSettings: shared),
        .target(name: "Telemetry", dependencies: [coreMetrics], swiftSettings: shared),
        .target(name: "WireProtocol", dependencies: ["Federation", swiftProtobuf], swiftSettings: shared),
        // Services
        .target(
            name: "AggregatorService",
            dependencies: [
                coreMetrics, crypto, "Enrolment", "Execution", "Federation", logging, "ModelFiles", "NeuralNetworks",
                nioCore,
                nioPosix,
                "PeerTransport", "Randomness", "RingArithmetic", serviceLifecycle, "Store", "StudyFiles", "Telemetry",
                "Tensors", "WireProtocol",
            ], swiftSettings: shared),
        .target(
            name: "ModelTraining",
            dependencies: ["ClinicalData", "Federation", "ModelFiles", "NeuralNetworks", "StudyFiles"],
            swiftSettings: shared),
        .target(
            name: "SiteService",
            dependencies: [
                "ClinicalData", coreMetrics, "Enrolment", "Execution", "Federation", logging, "ModelFiles",
                "NeuralNetworks",
                nioCore,
                nioPosix,
                "PeerTransport", "Randomness", "RingArithmetic", serviceLifecycle, "Store", "StudyFiles", "Telemetry",
                "Tensors", "WireProtocol",
            ], swiftSettings: shared),
        // Commands and programs
        .target(
            name: "Commands",
            dependencies: [
                "AggregatorService", argumentParser, "ClinicalData", "Enrolment", "Execution", "Federation", logging,
                "ModelFiles", "ModelTraining", nioPosix, "NeuralNetworks", "PeerTransport", "Randomness",
                "RingArithmetic",
                "Simulation", "SiteService", "Store", "StudyFiles", "Telemetry", unixSignals, "WireProtocol",
            ], swiftSettings: shared),
        .target(
            name: "Simulation",
            dependencies: [
                "AggregatorService", "ClinicalData", "Execution", "Federation", logging, "ModelFiles", nioPosix,
                "NeuralNetworks", "PeerTransport", "Randomness", "RingArithmetic", "SiteService", "Store",
                "WireProtocol",
            ], swiftSettings: shared),
        .executableTarget(name: "consilium", dependencies: ["Commands"], swiftSettings: shared),
        .executableTarget(
            name: "consilium-bench",
            dependencies: [
                "AggregatorService", argumentParser, crypto, "ClinicalData", "Enrolment", "Federation", "Kernels",
                logging, "NeuralNetworks", nioCore, nioPosix, "PeerTransport", "Randomness", "RingArithmetic",
                "Simulation",
                "SecureAggregation", "SiteService", "Store", "StudyFiles", "Tensors", "TransparencyLog", "WireProtocol",
            ], swiftSettings: shared),
        .target(
            name: "DaemonSupport",
            dependencies: [argumentParser, "Kernels", logging, serviceLifecycle, "StudyFiles", unixSignals],
            swiftSettings: shared),
        .executableTarget(
            name: "consilium-aggregator",
            dependencies: [
                "AggregatorService", argumentParser, "DaemonSupport", "Federation", "StudyFiles", "Telemetry",
            ],
            swiftSettings: shared),
        .executableTarget(
            name: "consilium-site",
            dependencies: [argumentParser, "DaemonSupport", "Federation", "SiteService", "StudyFiles", "Telemetry"],
            swiftSettings: shared),
        // Tests
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        .target(name: "DiskJournal", path: "Tests/DiskJournal"),
        .target(
            name: "PowerCut", dependencies: ["DiskJournal", "Randomness"], path: "Tests/PowerCut",
            swiftSettings: shared),
        .testTarget(
            name: "ClinicalDataTests", dependencies: ["CZlib", "ClinicalData", "Federation", "Kernels"],
            swiftSettings: shared),
        .testTarget(
            name: "EnrolmentTests", dependencies: [crypto, "Enrolment", "Federation", "Randomness", swiftASN1, x509],
            swiftSettings: shared),
        .testTarget(name: "ExecutionTests", dependencies: ["Execution"], swiftSettings: shared),
        .testTarget(
            name: "FederationTests",
            dependencies: ["Federation", "ModelFiles", "NeuralNetworks", "Randomness", "RingArithmetic"],
            swiftSettings: shared),
        .testTarget(name: "CommandsTests", exclude: ["Files", "Transcripts"], swiftSettings: shared),
        .testTarget(
            name: "InteropTests",
            dependencies: [
                "ClinicalData", "Federation", "ModelFiles", "SiteService", "Store", "StudyFiles", "TestSupport",
            ],
            swiftSettings: shared),
        .testTarget(name: "ModelFilesTests", dependencies: ["ModelFiles"], swiftSettings: shared),
        .testTarget(
            name: "ModelQualityTests",
            dependencies: ["ClinicalData", "Federation", "NeuralNetworks", "Randomness", "StudyFiles", "Tensors"],
            swiftSettings: shared),
        .testTarget(
            name: "ModelTrainingTests",
            dependencies: [
                "ClinicalData", "Federation", "ModelFiles", "ModelTraining", "NeuralNetworks", "StudyFiles",
            ], swiftSettings: shared),
        .testTarget(
            name: "NeuralNetworksTests",
            dependencies: ["AllocationCounter", "ModelFiles", "NeuralNetworks", "Randomness", "Tensors"],
            swiftSettings: shared),
        .testTarget(
            name: "PeerTransportTests",
            dependencies: [
                logging, nioCore, nioHTTP1, nioPosix, nioSSL, nioTLS, nioTestUtils, "PeerTransport", "TestSupport",
            ], swiftSettings: shared),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"], swiftSettings: shared),
        .testTarget(
            name: "RingArithmeticTests", dependencies: ["Randomness", "RingArithmetic"], swiftSettings: shared),
        .testTarget(
            name: "SecureAggregationTests",
            dependencies: ["Federation", "Randomness", "RingArithmetic", "SecureAggregation", "TransparencyLog"],
            swiftSettings: shared),
        .testTarget(
            name: "ServiceTests",
            dependencies: [
                "AggregatorService", "ClinicalData", "consilium-aggregator", "consilium-site", crypto, "Enrolment",
                "Federation", logging, "ModelFiles", "NeuralNetworks", nioCore, nioPosix, "PeerTransport", "PowerCut",
                "Randomness", "RingArithmetic", "SiteService", "Store", "StudyFiles", swiftASN1, "Telemetry",
                "TestSupport", "WireProtocol", x509,
            ], swiftSettings: shared),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "ClinicalData", "Federation", logging, nioPosix, "Simulation", "Store", "StudyFiles",
            ], exclude: ["pooled_reference.py"],
            swiftSettings: shared),
        .testTarget(
            name: "StoreTests", dependencies: ["Execution", "Federation", grdb, nioPosix, "PowerCut", "Store"],
            exclude: ["Schemas"], swiftSettings: shared),
        .testTarget(
            name: "StudyFilesTests",
            dependencies: ["ClinicalData", "Federation", "NeuralNetworks", "Randomness", "StudyFiles"],
            swiftSettings: shared),
        .testTarget(
            name: "TelemetryTests", dependencies: ["AggregatorService", coreMetrics, "SiteService", "Telemetry"],
            swiftSettings: shared),
        .testTarget(name: "TensorsTests", dependencies: ["Randomness", "Tensors"], swiftSettings: shared),
        .testTarget(
            name: "TransparencyLogTests", dependencies: ["Federation", "TransparencyLog"], swiftSettings: shared),
        .target(
            name: "TestSupport", dependencies: [crypto, swiftASN1, x509], path: "Tests/TestSupport",
            swiftSettings: shared),
        .testTarget(
            name: "WireProtocolTests", dependencies: ["Federation", "Randomness", "WireProtocol"],
            swiftSettings: shared),
    ]
)
