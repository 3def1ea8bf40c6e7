// What is on this machine: the programs under test, the processes a job has, the ports they listen
// on and the files they hold. Read from /proc, so that no process is asked to tell on itself.

import Foundation

enum Machine {
    static let markVariable = "FAULT_TEST_MARK"

    /// Tests that take a minute each run only in the long form.
    static let isFull = ProcessInfo.processInfo.environment["TEST_FULL"] == "1"

    /// The release build if `CONFORMANCE_BIN_DIR` says so, else the folder of this test.
    private static let binaries: String =
        ProcessInfo.processInfo.environment["CONFORMANCE_BIN_DIR"]
        ?? URL(
            fileURLWithPath: CommandLine.arguments.first { $0.hasSuffix(".xctest") }
                ?? CommandLine.arguments[0]
        ).deletingLastPathComponent().path

    private static let checkout: String =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../..").standardized.path + "/"

    static func path(_ program: String) -> String { "\(binaries)/\(program)" }

    /// Can ranks be started by the real mpirun?
    static let hasMPI: Bool = {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let hasLauncher = path.split(separator: ":").contains {
            access("\($0)/mpirun", X_OK) == 0
        }
        let worker = FileManager.default.contents(atPath: Self.path("conformance-openmpi"))
        return hasLauncher && worker?.range(of: Data("libmpi.so".utf8)) != nil
    }()

    // MARK: Processes

    /// Living processes with `mark` in their environment; a zombie has none.
    static func processes(marked mark: String) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        let wanted = Data("\(markVariable)=\(mark)".utf8)
        return names.compactMap { pid_t($0) }.filter { process in
            FileManager.default.contents(atPath: "/proc/\(process)/environ")?
                .range(of: wanted) != nil
        }
    }

    static func killAll(marked mark: String) {
        for _ in 0..<20 {
            let left = processes(marked: mark)
            if left.isEmpty { return }
            for process in left { kill(process, SIGKILL) }
            usleep(10_000)
        }
    }

    static func name(of process: pid_t) -> String {
        let bytes = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
        return String(decoding: bytes.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
    }

    // MARK: Sockets and files

    /// A TCP socket that accepts connections; its inode tells it from a later one on its port.
    struct Listener: Hashable {
        let inode: Substring
        let port: UInt16
    }

    /// All of the machine.
    static func listeners() -> Set<Listener> {
        var found: Set<Listener> = []
        for table in ["tcp", "tcp6"] {
            let text = FileManager.default.contents(atPath: "/proc/net/\(table)") ?? Data()
            for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
                // number: local remote state … inode; state 0A is LISTEN.
                let fields = line.split(separator: " ")
                guard fields.count > 9, fields[3] == "0A",
                    let port = UInt16(fields[1].split(separator: ":").last ?? "", radix: 16)
                else { continue }
                found.insert(Listener(inode: fields[9], port: port))
            }
        }
        return found
    }

    static func listeners(of process: pid_t) -> Set<Listener> {
        let own = Set(openFiles(of: process))
        return listeners().filter { own.contains("socket:[\($0.inode)]") }
    }

    static func listeningPorts(of process: pid_t) -> Set<UInt16> {
        Set(listeners(of: process).map(\.port))
    }

    private static func openFiles(of process: pid_t) -> [String] {
        let folder = "/proc/\(process)/fd"
        return ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
        }
    }

    /// The files in memory or temporary folders that a process holds open or has mapped.
    static func temporaryFiles(of process: pid_t) -> Set<String> {
        let maps = FileManager.default.contents(atPath: "/proc/\(process)/maps") ?? Data()
        let mapped = String(decoding: maps, as: UTF8.self).split(separator: "\n").compactMap {
            line in line.firstIndex(of: "/").map { String(line[$0...]) }
        }
        // Not the output that the test itself gave it, nor the programs of a checkout in /tmp.
        return Set(mapped + openFiles(of: process)).filter {
            ($0.hasPrefix("/tmp/") || $0.hasPrefix("/dev/shm/")) && !$0.hasPrefix(checkout)
                && !$0.hasSuffix("/out") && !$0.hasSuffix("/err") && !$0.hasSuffix("(deleted)")
        }
    }

    /// A TCP connection to a port of the loopback interface that does not block.
    static func connect(_ port: UInt16) -> Int32? {
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if status != 0 {
            close(socket)
            return nil
        }
        _ = fcntl(socket, F_SETFL, O_NONBLOCK)
        return socket
    }
}

/// What a job holds of the machine while it runs, to be looked for when it has ended.
struct Traces {
    private let mark: String
    private let processes: [pid_t]
    private let listeners: Set<Machine.Listener>
    private let files: Set<String>
    private let folder: URL

    init(of program: StartedProgram) {
        mark = program.mark
        processes = Machine.processes(marked: program.mark)
        listeners = Set(processes.flatMap { Machine.listeners(of: $0) })
        files = Set(processes.flatMap { Machine.temporaryFiles(of: $0) })
        folder = program.temporaryFolder
    }

    var processCount: Int { processes.count }
    var portCount: Int { listeners.count }
    var description: String {
        "\(processes.count) processes, \(listeners.count) ports, \(files.count) files"
    }

    /// What is left, in words, after it had some time to go; empty if nothing is.
    func left(afterSeconds seconds: Double = 15) -> [String] {
        var found: [String] = []
        _ = eventually(seconds) {
            found = leftNow()
            return found.isEmpty
        }
        return found
    }

    private func leftNow() -> [String] {
        let manager = FileManager.default
        let inFolder = (try? manager.subpathsOfDirectory(atPath: folder.path)) ?? []
        return Machine.processes(marked: mark).map { "process \($0) \(Machine.name(of: $0))" }
            + listeners.intersection(Machine.listeners()).map { "port \($0.port)" }
            + files.filter { manager.fileExists(atPath: $0) }.map { "file \($0)" }
            + inFolder.map { "temporary file \($0)" }
    }
}
