// swift-tools-version: 6.2
//
// One Communicator, three transports, one dataframe on top. The import rules between the targets
// are those of docs/ARCHITECTURE.md; the Makefile builds with
// --explicit-target-dependency-import-check error so that they hold.
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

/// Only MessagePassing returns `~Escapable` requests, and Frames spans; their clients need no flag.
let lifetimes: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

let argumentParser: Target.Dependency =
    .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

/// A rank program of mpi-compare or of the conformance suite: one source, linked to one transport.
func rankProgram(
    _ name: String, path: String, backend: Target.Dependency, body: Target.Dependency
) -> Target {
    .executableTarget(
        name: name, dependencies: [backend, body, "MessagePassing"], path: path,
        swiftSettings: strict)
}

let package = Package(
    name: "swift-mpi",
    products: [
        .library(name: "MessagePassing", targets: ["MessagePassing"]),
        .library(name: "SwiftMPI", targets: ["SwiftMPI"]),
        .library(name: "Profiling", targets: ["Profiling"]),
        .library(name: "ThreadMPI", targets: ["ThreadMPI"]),
        .library(name: "ServerlessMPI", targets: ["ServerlessMPI"]),
        .library(name: "LambdaMPI", targets: ["LambdaMPI"]),
        .library(name: "Frames", targets: ["Frames"]),
        .executable(name: "mpi-compare", targets: ["mpi-compare"]),
        .executable(name: "rendezvous", targets: ["rendezvous"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        // The protocol, its vocabulary, and the default collectives.
        .target(name: "MessagePassing", swiftSettings: strict + lifetimes),

        // Statistics and timelines of the calls on any communicator.
        .target(
            name: "Profiling", dependencies: ["CompactJSON", "MessagePassing"],
            swiftSettings: strict),

        // Transport 1: the real Open MPI, where it is installed.
        .systemLibrary(
            name: "COpenMPI", pkgConfig: "ompi-c",
            providers: [.apt(["libopenmpi-dev", "pkg-config"])]),
        .target(name: "CMPIShim", dependencies: ["COpenMPI"]),
        .target(
            name: "SwiftMPI", dependencies: ["MessagePassing", "CMPIShim", "Profiling"],
            swiftSettings: strict),

        // Transport 2: ranks as threads of one process.
        .target(
            name: "ThreadMPI", dependencies: ["MessagePassing", "Profiling"], swiftSettings: strict),

        // Transport 3: TCP connections made by hole punching, for AWS Lambda.
        .systemLibrary(
            name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev", "pkg-config"])]),
        .systemLibrary(name: "CLinux"),
        // AWS's HTTP interfaces. libcurl is loaded when it is first used.
        .systemLibrary(name: "CCurl"),
        // What the Redis channel needs, where its headers are installed; loaded when it is first used.
        .systemLibrary(name: "CHiredis"),
        .target(name: "AWSClient", dependencies: ["CCurl", "COpenSSL"], swiftSettings: strict),
        .target(
            name: "ServerlessMPI",
            dependencies: [
                "MessagePassing", "AWSClient", "CHiredis", "COpenSSL", "CLinux", "CompactJSON",
                "Profiling", logging,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "rendezvous",
            dependencies: [
                "ServerlessMPI", "MessagePassing", "CompactHTTP", "CompactJSON", logging,
            ],
            swiftSettings: strict),

        // AWS Lambda: JSON for events, the Runtime API, and functions that are ranks.
        .target(name: "CompactJSON", swiftSettings: strict),
        .target(name: "CompactHTTP", swiftSettings: strict),
        .target(
            name: "LambdaRuntime", dependencies: ["CompactHTTP", "CompactJSON"],
            swiftSettings: strict),
        .target(
            name: "LambdaMPI",
            dependencies: [
                "AWSClient", "CompactJSON", "LambdaRuntime", "MessagePassing", "ServerlessMPI",
            ],
            swiftSettings: strict),

        // Distributed dataframes over any Communicator.
        .systemLibrary(name: "CProcessor"),
        // Regular expressions. libpcre2-8 is loaded when the first one is made.
        .systemLibrary(name: "CPCRE2"),
        .target(
            name: "Frames", dependencies: ["MessagePassing", "CPCRE2", "CProcessor"],
            swiftSettings: strict + lifetimes),

        // mpi-compare: the same dataframe program, head-to-head.
        .target(
            name: "Records", dependencies: ["CompactJSON"], path: "mpi-compare/Records",
            swiftSettings: strict),
        // Single messages and collectives, measured on any Communicator.
        .target(
            name: "Ladder", dependencies: ["CLinux", "CompactJSON", "MessagePassing", "Records"],
            path: "mpi-compare/Ladder", swiftSettings: strict),
        .target(
            name: "Workloads",
            dependencies: ["CLinux", "Frames", "Ladder", "MessagePassing", "Records"],
            path: "mpi-compare/Workloads", swiftSettings: strict),
        .target(name: "Processes", path: "mpi-compare/Processes", swiftSettings: strict),
        // An internet of network namespaces with NAT routers in it.
        .target(
            name: "Lab", dependencies: ["CLinux", "Processes"], path: "mpi-compare/Lab",
            swiftSettings: strict),
        // AWS Lambda on one machine: the service around real sandboxes of a real package.
        .target(
            name: "LambdaEmulator",
            dependencies: [
                "AWSClient", "COpenSSL", "CompactHTTP", "CompactJSON", "Lab", "LambdaRuntime",
                "Processes",
            ],
            path: "mpi-compare/LambdaEmulator", swiftSettings: strict),
        .target(
            name: "Launchers",
            dependencies: [
                "AWSClient", "COpenSSL", "CompactJSON", "Lab", "LambdaEmulator", "MessagePassing",
                "Processes", "ServerlessMPI",
            ],
            path: "mpi-compare/Launchers", swiftSettings: strict),
        .target(
            name: "Report",
            dependencies: ["CompactJSON", "Lab", "MessagePassing", "Records", "ServerlessMPI"],
            path: "mpi-compare/Report", swiftSettings: strict),
        .executableTarget(
            name: "mpi-compare",
            dependencies: [
                "AWSClient", "CompactJSON", "Lab", "Ladder", "LambdaEmulator", "Launchers",
                "MessagePassing", "Processes", "Records", "Report", "ServerlessMPI", "Workloads",
                argumentParser,
            ],
            path: "mpi-compare/CLI", swiftSettings: strict),
        rankProgram(
            "worker-threads", path: "mpi-compare/Workers/threads",
            backend: "ThreadMPI", body: "Workloads"),
        rankProgram(
            "worker-openmpi", path: "mpi-compare/Workers/openmpi",
            backend: "SwiftMPI", body: "Workloads"),
        rankProgram(
            "worker-serverless", path: "mpi-compare/Workers/serverless",
            backend: "ServerlessMPI", body: "Workloads"),
        .executableTarget(
            name: "worker-lambda",
            dependencies: ["CompactJSON", "LambdaMPI", "MessagePassing", "Records", "Workloads"],
            path: "mpi-compare/Workers/lambda", swiftSettings: strict),
        // Says how its rank is connected, for nat-grid and mesh.
        rankProgram(
            "worker-link", path: "mpi-compare/Workers/link",
            backend: "ServerlessMPI", body: "Records"),

        // One conformance suite for every backend.
        .target(
            name: "Conformance", dependencies: ["MessagePassing"], path: "Tests/Conformance",
            swiftSettings: strict),
        rankProgram(
            "conformance-threads", path: "Tests/conformance-threads",
            backend: "ThreadMPI", body: "Conformance"),
        rankProgram(
            "conformance-openmpi", path: "Tests/conformance-openmpi",
            backend: "SwiftMPI", body: "Conformance"),
        rankProgram(
            "conformance-serverless", path: "Tests/conformance-serverless",
            backend: "ServerlessMPI", body: "Conformance"),
        .testTarget(
            name: "MessagePassingTests", dependencies: ["MessagePassing", "ThreadMPI"],
            swiftSettings: strict),
        .testTarget(
            name: "ThreadMPITests", dependencies: ["ThreadMPI", "MessagePassing"],
            swiftSettings: strict),
        .testTarget(
            name: "ConformanceTests", dependencies: ["Processes"], swiftSettings: strict),
        .testTarget(name: "AWSClientTests", dependencies: ["AWSClient"], swiftSettings: strict),
        .testTarget(
            name: "ServerlessMPITests",
            dependencies: [
                "AWSClient", "ServerlessMPI", "MessagePassing", "COpenSSL", "CLinux", "CompactHTTP",
                "CompactJSON", "rendezvous", logging,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "LambdaRuntimeTests",
            dependencies: ["CompactHTTP", "CompactJSON", "LambdaRuntime"],
            swiftSettings: strict),
        .testTarget(
            name: "ProfilingTests",
            dependencies: ["CompactJSON", "MessagePassing", "Profiling", "ThreadMPI"],
            swiftSettings: strict),
        .testTarget(
            name: "FramesTests", dependencies: ["Frames", "MessagePassing", "ThreadMPI"],
            swiftSettings: strict),
        .testTarget(
            name: "CompareTests",
            dependencies: [
                "AWSClient", "CompactJSON", "Ladder", "Launchers", "Processes", "Records",
                "Report", "ServerlessMPI", "Workloads", "Frames", "MessagePassing", "ThreadMPI",
                "mpi-compare",
                "worker-threads", "worker-serverless",
            ],
            swiftSettings: strict),
        // The laboratory, pure and real, and what ranks make of it.
        .testTarget(
            name: "NATTests",
            dependencies: [
                "CompactJSON", "Lab", "Launchers", "MessagePassing", "Processes", "Records",
                "Report",
                "ServerlessMPI", "mpi-compare", "worker-link", "worker-serverless",
                "worker-threads",
            ],
            swiftSettings: strict),
        // Functions: packages, the emulator, jobs and their accidents.
        .executableTarget(
            name: "lambda-subject", dependencies: ["CompactJSON", "LambdaRuntime"],
            path: "Tests/lambda-subject", swiftSettings: strict),
        .executableTarget(
            name: "lambda-ranks", dependencies: ["LambdaMPI", "MessagePassing"],
            path: "Tests/lambda-ranks", swiftSettings: strict),
        .testTarget(
            name: "LambdaTests",
            dependencies: [
                "AWSClient", "CompactJSON", "Lab", "LambdaEmulator", "Launchers", "Processes",
                "ServerlessMPI", "lambda-ranks", "lambda-subject", "mpi-compare", "worker-lambda",
                "worker-serverless",
            ],
            swiftSettings: strict),
        // Every parser, under mutations; scripts/fuzz builds the same targets for libFuzzer.
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "AWSClient", "CompactHTTP", "CompactJSON", "Frames", "LambdaRuntime",
                "MessagePassing", "ServerlessMPI",
            ],
            swiftSettings: strict),
        // What a user of the built programs sees when things go wrong.
        .testTarget(name: "FaultTests", swiftSettings: strict),
    ]
)
