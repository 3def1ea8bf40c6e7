// swift-tools-version: 6.2
//
// Numbered examples, each one file. They are written once; the trait chooses the transport:
//   swift build                      SwiftMPI (real Open MPI)
//   swift build --traits SERVERLESS  ServerlessMPI
//   swift build --traits THREADS     ThreadMPI
import PackageDescription

let world: [Target.Dependency] = [
    .product(name: "MessagePassing", package: "swift-mpi"),
    .product(name: "SwiftMPI", package: "swift-mpi", condition: .when(traits: ["OPENMPI"])),
    .product(
        name: "ServerlessMPI", package: "swift-mpi", condition: .when(traits: ["SERVERLESS"])),
    .product(name: "ThreadMPI", package: "swift-mpi", condition: .when(traits: ["THREADS"])),
]
/// LambdaMPI is ServerlessMPI in functions.
let functions: [Target.Dependency] = [
    .product(name: "LambdaMPI", package: "swift-mpi", condition: .when(traits: ["SERVERLESS"]))
]
let frames: [Target.Dependency] = [.product(name: "Frames", package: "swift-mpi")]

func example(_ name: String, _ dependencies: [Target.Dependency] = world) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, path: name,
        swiftSettings: [.treatAllWarnings(as: .error)])
}

let package = Package(
    name: "Examples",
    traits: [
        .trait(name: "OPENMPI"), .trait(name: "SERVERLESS"), .trait(name: "THREADS"),
        .default(enabledTraits: ["OPENMPI"]),
    ],
    dependencies: [.package(name: "swift-mpi", path: "..")],
    targets: [
        example("01-hello"),
        example("02-ring"),
        example("03-pi"),
        example("04-shuffle"),
        example("05-overlap"),
        example("06-dataframe", world + frames),
        example("07-lambda", world + functions),
    ],
    swiftLanguageModes: [.v6]
)
