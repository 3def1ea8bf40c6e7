// The `rendezvous` program as a child process whose output is read through pipes.

import Glibc

@testable import ServerlessMPI

/// A run of the program whose output is read through pipes.
final class RendezvousRun {
    let pid: pid_t
    private let output: Int32
    private let errors: Int32
    private var isReaped = false

    init(_ arguments: [String], environment: [String] = []) throws {
        let program = Self.buildFolder + "/rendezvous"
        var out: [Int32] = [0, 0]
        var err: [Int32] = [0, 0]
        guard pipe(&out) == 0, pipe(&err) == 0 else { throw IOFailure(reason: "no pipe") }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, out[1], 1)
        posix_spawn_file_actions_adddup2(&actions, err[1], 2)
        for descriptor in out + err {
            posix_spawn_file_actions_addclose(&actions, descriptor)
        }
        var arguments = ([program] + arguments).map { strdup($0) } + [nil]
        var environment = environment.map { strdup($0) } + [nil]
        var pid = pid_t()
        let status = posix_spawn(&pid, program, &actions, nil, &arguments, &environment)
        posix_spawn_file_actions_destroy(&actions)
        for text in arguments + environment { free(text) }
        close(out[1])
        close(err[1])
        self.pid = pid
        output = out[0]
        errors = err[0]
        guard status == 0 else {
            isReaped = true
            throw IOFailure(reason: "cannot start \(program)", errorNumber: status)
        }
    }

    deinit {
        if !isReaped {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
        }
        close(output)
        close(errors)
    }

    /// The build's folder: that of the test bundle this code is in.
    private static var buildFolder: String {
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count)
        // The bundle is an argument where a helper of the toolchain runs it.
        let candidates =
            CommandLine.arguments.filter { $0.hasSuffix(".xctest") }
            + [String(decoding: path.prefix(max(count, 0)).map { UInt8($0) }, as: UTF8.self)]
        let bundle = candidates.first { $0.hasSuffix(".xctest") } ?? ""
        return String(bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)])
    }

    /// Its descriptors, as the kernel lists them.
    var openDescriptorCount: Int {
        guard let folder = opendir("/proc/\(pid)/fd") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // `.` and `..` are none.
        return count - 2
    }

    /// The next line of its log, or what is left of it.
    func logLine() -> String { read(errors, untilLine: true) }

    /// What it prints, until a whole line is there or it has ended.
    func line() -> String { read(output, untilLine: true) }

    /// Exit code, standard output and standard error of a run that ends by itself.
    func end() -> (code: Int32, output: String, errors: String) {
        let out = read(output, untilLine: false)
        let err = read(errors, untilLine: false)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        isReaped = true
        return (status & 0x7f == 0 ? status >> 8 & 0xff : -(status & 0x7f), out, err)
    }

    private func read(_ descriptor: Int32, untilLine: Bool) -> String {
        var bytes: [UInt8] = []
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&watched, 1, 20_000) > 0 {
            var byte: UInt8 = 0
            guard Glibc.read(descriptor, &byte, 1) == 1 else { break }
            bytes.append(byte)
            if untilLine, byte == UInt8(ascii: "\n") { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
