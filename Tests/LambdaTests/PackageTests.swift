// The package: small, the same every time, and enough by itself.
import Foundation
import Launchers
import Processes
import Testing

extension LambdaTests {
    @Suite("Packages")
    struct Packages {
        @Test("equal programs make equal zips, of at most 25 MB")
        func deterministic() throws {
            let zip = Built.worker
            let again = zip + ".again"
            defer { try? FileManager.default.removeItem(atPath: again) }
            let summary = try LambdaPackage(executable: Built.path("worker-lambda")).write(
                to: again)
            #expect(summary.zipByteCount <= 25_000_000, "\(summary)")
            #expect(summary.libraries.contains("ld-linux-x86-64.so.2"))
            #expect(FileManager.default.contentsEqual(atPath: zip, andPath: again))
        }

        @Test("it runs where there is nothing but the kernel, whatever the host's libraries are")
        func emptyRoot() throws {
            let root = try EmptyRoot(Built.worker)
            // Lambda's LD_LIBRARY_PATH leads to libraries of another age, which must not be taken.
            try root.add("lib64/libc.so.6", "not a library\n")
            let result = try root.run(["LD_LIBRARY_PATH": "/lib64:/usr/lib64:/var/task/lib"])
            // Without a Runtime API it is a world of one rank.
            #expect(result.contains("\"outputRows\""), "\(result)")
        }

        @Test("a folder can go with it")
        func included() throws {
            let folder = NSTemporaryDirectory() + "data-\(UUID().uuidString)"
            try FileManager.default.createDirectory(
                atPath: "\(folder)/part", withIntermediateDirectories: true)
            try "x".write(toFile: "\(folder)/part/a.csv", atomically: true, encoding: .utf8)
            let zip = folder + ".zip"
            defer {
                for path in [folder, zip] { try? FileManager.default.removeItem(atPath: path) }
            }
            var package = LambdaPackage(executable: Built.path("lambda-subject"))
            package.included = [folder]
            _ = try package.write(to: zip)
            let names = try runCommand(["unzip", "-Z1", zip]).output
            #expect(names.contains("/part/a.csv"), "\(names)")
            #expect(names.contains("bootstrap\n"), "\(names)")
        }

        @Test("what cannot be packaged is refused with the reason")
        func refused() throws {
            let zip = NSTemporaryDirectory() + "no-\(UUID().uuidString).zip"
            for (program, words) in [
                ("/no/such", "no program"), ("/etc/passwd", "no program"),
                (#filePath, "no program"), ("/bin/which", "no x86-64 program"),
            ] {
                let error = #expect(throws: LaunchError.self) {
                    try LambdaPackage(executable: program).write(to: zip)
                }
                #expect(
                    error?.description.contains(words) == true,
                    "\(program): \(String(describing: error))")
            }
            var package = LambdaPackage(executable: Built.path("lambda-subject"))
            package.libraries = ["libnone.so.9"]
            let error = #expect(throws: LaunchError.self) { try package.write(to: zip) }
            #expect(error?.description.contains("libnone.so.9") == true)
            #expect(!FileManager.default.fileExists(atPath: zip))
        }
    }
}

/// A folder that holds a package at /var/task and nothing else, to be the root of a process.
private final class EmptyRoot {
    private let path = NSTemporaryDirectory() + "root-\(UUID().uuidString)"

    init(_ zip: String) throws {
        try FileManager.default.createDirectory(
            atPath: "\(path)/var/task", withIntermediateDirectories: true)
        let result = try runCommand(["unzip", "-q", zip, "-d", "\(path)/var/task"])
        guard result.exitCode == 0 else { throw Unexpected(result.output) }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func add(_ name: String, _ text: String) throws {
        let file = URL(fileURLWithPath: "\(path)/\(name)")
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(to: file, atomically: true, encoding: .utf8)
    }

    /// What `bootstrap` prints there.
    func run(_ variables: [String: String]) throws -> String {
        let settings = variables.map { "\($0.key)=\($0.value)" }
        let unshare = try #require(findSystemProgram("unshare"))
        let result = try runCommand(
            ["env", "-i"] + settings + [unshare, "--root=\(path)", "--wd=/var/task"]
                + ["/var/task/bootstrap", "--workload", "join", "--rows", "1000"])
        guard result.exitCode == 0 else { throw Unexpected(result.output) }
        return result.output
    }
}
