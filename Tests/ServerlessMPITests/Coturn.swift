// A real TURN server for a test: coturn on loopback, with a configuration of its own, started and
// ended by the test that needs it.

import Glibc
import Testing

@testable import ServerlessMPI

final class Coturn {
    static let username = "rank"
    static let password = "a-pass:word"

    /// Where Debian's package `coturn` puts the program; nil where it is not installed.
    static let program: String? = {
        let path = getenv("PATH").map { String(cString: $0) } ?? ""
        let folders = path.split(separator: ":").map(String.init) + ["/usr/bin", "/usr/sbin"]
        return folders.map { $0 + "/turnserver" }.first { access($0, X_OK) == 0 }
    }()

    static let missing: Comment = "coturn is not installed: apt-get install coturn"

    let port: UInt16
    let pid: pid_t
    private let folder: String
    private var isEnded = false

    /// - Parameter options: further lines of the configuration.
    init(_ options: [String] = []) throws {
        port = try TestServer.freePort()
        var template = Array("/tmp/serverless-mpi-turn-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil, "a temporary folder")
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let lines =
            [
                "listening-ip=127.0.0.1", "relay-ip=127.0.0.1", "listening-port=\(port)",
                "lt-cred-mech", "user=\(Self.username):\(Self.password)", "realm=test", "no-udp",
                "no-tls", "no-dtls", "no-cli", "allow-loopback-peers", "relay-threads=1",
                "userdb=\(folder)/db", "pidfile=\(folder)/pid", "log-file=stdout", "no-stdout-log",
            ] + options
        let configuration = folder + "/turnserver.conf"
        let file = try #require(fopen(configuration, "w"))
        fputs(lines.map { $0 + "\n" }.joined(), file)
        fclose(file)
        pid = try TestServer.spawn(try #require(Self.program), ["-c", configuration])
        try #require(TestServer.accepts(port), "turnserver does not listen")
    }

    deinit { end() }

    /// What a rank is told of this server.
    var configuration: TURNConfiguration {
        TURNConfiguration(
            host: "127.0.0.1", port: port, username: Self.username,
            password: Secret(Array(Self.password.utf8)))
    }

    /// As the kernel ends a process: nothing is said to anyone.
    func end() {
        guard !isEnded else { return }
        isEnded = true
        TestServer.end(pid)
        for name in ["/turnserver.conf", "/db", "/pid"] { unlink(folder + name) }
        rmdir(folder)
    }
}
