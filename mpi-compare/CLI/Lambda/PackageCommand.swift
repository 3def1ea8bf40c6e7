// `mpi-compare lambda package`: a zip for AWS Lambda from any program that imports LambdaMPI.
import ArgumentParser
import Launchers
import Report

struct PackageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "package",
        abstract:
            "Make a zip for the runtime provided.al2023 from any program that imports LambdaMPI.",
        discussion: """
            The zip holds the program as `bootstrap`, the loader and every library it needs, so it \
            does not matter what the host has. Needs patchelf and zip.
            """)

    @Option(help: "The program, built in release mode; the worker of `run` if none is given.")
    var executable: String?

    @Option(name: [.customShort("o"), .long], help: "The zip.")
    var output = "function.zip"

    @Option(help: "A library the program loads itself (dlopen), such as libcurl.so.4; repeatable.")
    var library: [String] = []

    @Option(help: "A file or folder to put into /var/task; repeatable.")
    var include: [String] = []

    func run() throws {
        let program = executable ?? folderOfThisProgram() + "/worker-lambda"
        var package = LambdaPackage(executable: program)
        package.libraries = library
        package.included = include
        let summary = try package.write(to: output)
        print(
            "\(output): \(megabytes(summary.zipByteCount)) MB, unpacked"
                + " \(megabytes(summary.unpackedByteCount)) MB, \(summary.libraries.count) libraries"
        )
        for note in summary.notes { print("note: \(note)") }
    }
}

private func megabytes(_ byteCount: Int) -> String { fixed(Double(byteCount) / 1e6, 1) }
