// A server program that a test starts on a free port of loopback, and ends as the kernel ends a
// process.

import Glibc
import Testing

@testable import ServerlessMPI

enum TestServer {
    static func freePort() throws -> UInt16 {
        let socket = try Socket.open(.loopback4)
        defer { close(socket) }
        try Socket.bind(socket, to: SocketAddress(ip: .loopback4, port: 0))
        return try #require(Socket.localAddress(socket)).port
    }

    /// Starts a program; what it writes is nobody's business.
    static func spawn(_ program: String, _ arguments: [String]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in [Int32(1), 2] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
        }
        var pid = pid_t()
        var arguments = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for text in arguments { free(text) } }
        let status = posix_spawn(&pid, program, &actions, nil, &arguments, environ)
        guard status == 0 else { throw IOFailure(reason: "no \(program)", errorNumber: status) }
        return pid
    }

    /// Does it listen, within 30 s?
    static func accepts(_ port: UInt16) -> Bool {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if let socket = try? Socket.open(.loopback4) {
                defer { close(socket) }
                // Loopback connects at once or is refused.
                _ = try? Socket.connect(socket, to: SocketAddress(ip: .loopback4, port: port))
                if Socket.remoteAddress(socket) != nil { return true }
            }
            usleep(20_000)
        }
        return false
    }

    static func end(_ pid: pid_t) {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}
