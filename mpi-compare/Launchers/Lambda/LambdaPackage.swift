// `mpi-compare lambda package`: a zip for Lambda's runtime provided.al2023 that needs nothing of its
// host but the kernel. The executable goes in as `bootstrap`, with the loader and every library it
// needs; patchelf tells it where they are.
//
// Why not the host's own libraries: glibc there is older than Debian's. Why absolute paths instead
// of $ORIGIN, which needs /proc, and DT_RPATH instead of DT_RUNPATH: Lambda sets LD_LIBRARY_PATH to
// the host's folders, which would come first.
@preconcurrency import Glibc
import Processes

/// What goes into a package.
public struct LambdaPackage: Sendable {
    /// Any built program; it becomes `bootstrap`.
    public var executable: String
    /// Libraries that the program loads itself (dlopen), by file name, such as `libcurl.so.4`.
    public var libraries: [String] = []
    /// Files and folders to put beside it, below `/var/task`.
    public var included: [String] = []

    /// Where the package is in every function.
    public static let folder = "/var/task"
    static let unpackedByteCountMax = 250 << 20
    static let uploadByteCountMax = 50 << 20

    public init(executable: String) { self.executable = executable }

    public struct Summary: Sendable {
        /// Of the zip, and of all files in it, in bytes.
        public var zipByteCount: Int
        public var unpackedByteCount: Int
        public var libraries: [String]
        /// What the user may want to know.
        public var notes: [String]
    }

    /// What is missing for making packages here, with what to do about it; nil if nothing is.
    public static var reasonUnavailable: String? {
        for program in ["patchelf", "zip", "unzip"] where findSystemProgram(program) == nil {
            return "packages of functions need \(program): apt-get install \(program)"
        }
        return nil
    }

    /// Makes the zip; the same input gives the same bytes.
    ///
    /// - Throws: `LaunchError` if something is missing; then no zip is left.
    public func write(to zip: String) throws(LaunchError) -> Summary {
        if let reason = LambdaPackage.reasonUnavailable { throw LaunchError(reason) }
        guard let program = findExecutable(executable) else {
            throw LaunchError("there is no program \(executable)")
        }
        var template = Array("/tmp/smpi-package-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw LaunchError("cannot make a folder in /tmp: \(lastSystemError())")
        }
        let folder = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { _ = try? runCommand(["rm", "-rf", folder]) }
        chmod(folder, 0o755)
        let closure = try fill(folder, program)
        return try pack(folder, zip, closure, notes: notes(program, closure))
    }

    // MARK: Files

    /// Copies everything into the folder and sets the paths in it.
    /// - Returns: the names of the libraries.
    private func fill(_ folder: String, _ program: String) throws(LaunchError) -> [String] {
        try LambdaPackage.check(program)
        let bootstrap = "\(folder)/bootstrap"
        try command("cp", "-L", program, bootstrap)
        try command("chmod", "755", bootstrap)
        // Symbols are a third of the size; without strip they stay.
        _ = try? runCommand(["strip", bootstrap])
        for path in included { try command("cp", "-rL", path, folder) }
        let interpreter = try runCommand(["patchelf", "--print-interpreter", program])
        guard interpreter.exitCode == 0 else {
            // A static executable has no interpreter, and needs nothing.
            return []
        }
        let loader = firstLine(interpreter.output)
        var found = try needed(by: program)
        for library in libraries {
            let path = try locate(library)
            found[library] = path
            found.merge(try needed(by: path)) { own, _ in own }
        }
        let lib = "\(folder)/lib"
        mkdir(lib, 0o755)
        let loaderName = lastPart(loader)
        try command("cp", "-L", loader, "\(lib)/\(loaderName)")
        for (name, path) in found.sorted(by: { $0.key < $1.key }) where name != loaderName {
            try command("cp", "-L", path, "\(lib)/\(name)")
            try redirect("\(lib)/\(name)", isProgram: false)
        }
        let inside = "\(LambdaPackage.folder)/lib"
        try command("patchelf", "--set-interpreter", "\(inside)/\(loaderName)", bootstrap)
        try redirect(bootstrap, isProgram: true)
        return (found.keys + [loaderName]).sorted()
    }

    /// Libraries without a path of their own use that of the program.
    private func redirect(_ file: String, isProgram: Bool) throws(LaunchError) {
        let path = try runCommand(["patchelf", "--print-rpath", file])
        guard isProgram || !firstLine(path.output).isEmpty else { return }
        try command(
            "patchelf", "--force-rpath", "--set-rpath", "\(LambdaPackage.folder)/lib", file)
    }

    /// Only the loader knows which files it would take: by name, with their paths.
    private func needed(by file: String) throws(LaunchError) -> [String: String] {
        let result = try runCommand(["ldd", file])
        var found: [String: String] = [:]
        for line in result.output.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count >= 3, words[1] == "=>" else { continue }
            guard words[2].hasPrefix("/") else {
                throw LaunchError("\(file) needs \(words[0]), which is not on this machine")
            }
            found[String(words[0])] = String(words[2])
        }
        return found
    }

    private func locate(_ library: String) throws(LaunchError) -> String {
        for folder in [
            "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib",
            "/usr/local/lib",
        ] where access("\(folder)/\(library)", R_OK) == 0 {
            return "\(folder)/\(library)"
        }
        throw LaunchError("there is no library \(library) on this machine")
    }

    private static func check(_ program: String) throws(LaunchError) {
        let descriptor = open(program, O_RDONLY | O_CLOEXEC)
        defer { close(descriptor) }
        var head = [UInt8](repeating: 0, count: 20)
        guard descriptor >= 0, read(descriptor, &head, head.count) == head.count,
            head.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2]), head[18] == 62
        else {
            throw LaunchError(
                "\(program) is no x86-64 program: build one, with swift build -c release")
        }
    }

    // MARK: Zip

    private func pack(
        _ folder: String, _ zip: String, _ libraries: [String], notes: [String]
    ) throws(LaunchError) -> Summary {
        let size = try runCommand(["du", "-sb", folder])
        let unpacked = Int(size.output.prefix { $0.isNumber }) ?? 0
        guard unpacked <= LambdaPackage.unpackedByteCountMax else {
            throw LaunchError(
                "the package would be \(unpacked >> 20) MB unpacked; Lambda takes 250 MB")
        }
        let target = zip.hasPrefix("/") ? zip : "\(currentFolder())/\(zip)"
        // One time for all and one order, so that equal content is an equal file.
        let script = """
            cd "$1"; find . -exec touch -h -d 1980-01-01T00:00:00Z {} +
            rm -f "$2"; find . -type f | LC_ALL=C sort | TZ=UTC zip -q -X -@ "$2"
            """
        try command("/bin/sh", "-euc", script, "sh", folder, target)
        var information = stat()
        guard stat(target, &information) == 0 else {
            throw LaunchError("cannot write \(zip): \(lastSystemError())")
        }
        var notes = notes
        if information.st_size > LambdaPackage.uploadByteCountMax {
            notes.append("the zip is larger than 50 MB: it has to be uploaded through S3")
        }
        return Summary(
            zipByteCount: Int(information.st_size), unpackedByteCount: unpacked,
            libraries: libraries, notes: notes)
    }

    private func notes(_ program: String, _ libraries: [String]) -> [String] {
        var notes: [String] = []
        if libraries.contains(where: { $0.contains("Foundation") }) {
            notes.append(
                "the program uses Foundation, which is most of the package and of the start time")
        }
        if libraries.contains("libswiftCore.so") {
            notes.append(
                "built with --static-swift-stdlib the program would start in half the time")
        }
        if let linked = linkedBackends(program), !linked.contains(.lambda) {
            notes.append("\(program) does not import LambdaMPI: it will not take invocations")
        }
        return notes
    }

    private func command(_ arguments: String...) throws(LaunchError) {
        let result = try runCommand(arguments)
        guard result.exitCode == 0 else {
            throw LaunchError(
                "\(arguments[0]) failed: \(firstLine(result.output)) (\(executable))")
        }
    }
}

private func firstLine(_ text: String) -> String {
    text.split(separator: "\n").first.map(String.init) ?? ""
}

private func lastPart(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
}

private func currentFolder() -> String {
    guard let path = getcwd(nil, 0) else { return "." }
    defer { free(path) }
    return String(cString: path)
}
