import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

/// The `rendezvous` program as an operator meets it.
@Suite struct RendezvousProgramTests {
    static let secret = String(repeating: "5a", count: 32)

    /// A run of the program whose output is read through pipes.
    final class Run {
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

    static let environment = ["RENDEZVOUS_SECRET=\(secret)"]

    @Test(arguments: [SIGTERM, SIGINT])
    func `it says where it listens, serves a job, and ends on a signal`(signal: Int32) throws {
        let server = try Run(["serve"], environment: Self.environment)
        let line = server.line()
        #expect(line.hasPrefix("listening 127.0.0.1:"))
        // `listening HOST:PORT observer PORT`
        let words = line.dropLast().split(separator: " ")
        try #require(words.count == 4 && words[2] == "observer")
        let port = try #require(UInt16(words[1].split(separator: ":").last ?? ""))
        let observer = try #require(UInt16(words[3]))

        let printed = try Run(["token", "--job", "j"], environment: Self.environment).end()
        #expect(printed.code == 0)
        let url = "rendezvous://127.0.0.1:\(port)/j?size=1&observer=\(observer)"
        var variables = ["SERVERLESS_MPI_URL": url]
        for line in printed.output.split(separator: "\n") {
            let parts = line.split(separator: "=")
            variables[String(parts[0])] = String(parts[1])
        }
        let configuration = try #require(try JoinConfiguration.from { variables[$0] })
        let outcome = JoinWorld.joinAndConnect(configuration)
        #expect(outcome.error == nil)
        outcome.end()

        kill(server.pid, signal)
        let end = server.end()
        #expect(end.code == 0)
        for secret in [Self.secret, configuration.serverKey.hex, configuration.peerSecret.hex] {
            #expect(!end.errors.contains(secret), "a secret is in the log")
        }
    }

    @Test func `a port in use ends it with one line that says what to do`() throws {
        let first = try Run(["serve"], environment: Self.environment)
        let address = try #require(first.line().split(separator: " ").dropFirst().first)
        let second = try Run(
            ["serve", "--listen", String(address)], environment: Self.environment
        ).end()
        #expect(second.code == 1)
        #expect(second.errors.contains("in use"))
        #expect(second.errors.split(separator: "\n").count == 1)
    }

    @Test(arguments: [
        ["serve"], ["serve", "--listen", "nowhere"], ["serve", "--secret-file", "/nonexistent"],
        ["serve", "--observer-port", "70000"],
        ["token"], ["token", "--job", "a b"], ["dance"], [],
    ])
    func `wrong arguments end it with an explanation`(_ arguments: [String]) throws {
        let environment = arguments == ["serve"] ? [] : Self.environment
        let end = try Run(arguments, environment: environment).end()
        #expect(end.code == 2)
        #expect(end.errors.hasPrefix("rendezvous: "))
    }

    @Test func `every new operator secret is another one`() throws {
        let secrets = try (0..<2).map { _ in try Run(["secret"]).end().output }
        #expect(secrets.allSatisfy { Secret(hex: String($0.dropLast())) != nil })
        #expect(secrets[0] != secrets[1])
    }
}
