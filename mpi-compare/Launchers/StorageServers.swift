// Real storage servers on this machine, for jobs that talk through a store and are given none: a
// redis-server, or a server that speaks S3. They keep nothing, and end with the launcher, whatever
// becomes of it.
import AWSClient
@preconcurrency import Glibc
import Lab
import Processes
import ServerlessMPI

/// Which program answers as S3.
public enum S3Server: String, Sendable, CaseIterable {
    case ministack
    case moto = "moto_server"

    /// Beside PATH, where scripts/setup --tests puts programs from PyPI.
    var program: String? {
        let folders = [getenv("AWS_PEERS_VENV").map { String(cString: $0) }, ".venv-aws"]
        for folder in folders.compactMap({ $0 }) {
            if let path = findExecutable("\(folder)/bin/\(rawValue)") { return path }
        }
        return findExecutable(rawValue)
    }

    /// The first one that is installed.
    public static var installed: S3Server? { allCases.first { $0.program != nil } }
}

/// A server that was started for a job. `stop` it when the job is over.
struct StorageServer {
    let place: StorageURL.Place
    /// What ranks need beside the URL.
    let variables: [String: String]
    private let shell: SleepingShell

    /// The server is the shell's child; the shell ends it when it hears `done`, or nothing more.
    private static let script = """
        trap '' INT TERM HUP
        "$@" </dev/null >/dev/null 2>&1 &
        server=$!
        read -r line
        kill -KILL $server
        wait $server
        """

    private static let bucket = "swift-mpi"
    private static let startTries = 3
    private static let readyTime = Duration.seconds(30)

    static func redis() throws(LaunchError) -> StorageServer {
        guard let program = findSystemProgram("redis-server") else {
            throw LaunchError(
                "environment redis needs redis-server, which is not there: apt-get install "
                    + "redis-server, or name a server: --store redis://HOST:PORT")
        }
        return try start("redis-server") { (port) throws(LaunchError) in
            let shell = try SleepingShell(
                script,
                [
                    program, "--bind", "127.0.0.1", "--port", "\(port)", "--save", "",
                    "--appendonly", "no", "--maxmemory-policy", "noeviction", "--dir", "/",
                ])
            return StorageServer(
                place: .redis(host: "127.0.0.1", port: port), variables: [:], shell: shell)
        }
    }

    static func s3(_ kind: S3Server?) throws(LaunchError) -> StorageServer {
        guard let kind = kind ?? S3Server.installed, let program = kind.program else {
            throw LaunchError(
                "environment s3 needs a server that speaks S3: ministack or moto_server in PATH or "
                    + "in .venv-aws/bin (scripts/setup --tests), or name one: --store "
                    + "'s3://BUCKET?endpoint=http://HOST:PORT'")
        }
        let server = try start(kind.rawValue) { (port) throws(LaunchError) in
            let command =
                switch kind {
                case .ministack:
                    [
                        "/usr/bin/env", "GATEWAY_PORT=\(port)", "BIND_HOST=127.0.0.1",
                        "SERVICES=s3", "LOG_LEVEL=ERROR", program,
                    ]
                case .moto: [program, "-H", "127.0.0.1", "-p", "\(port)"]
                }
            return StorageServer(
                place: .s3(
                    bucket: bucket, folder: "", region: "us-east-1",
                    endpoint: "http://127.0.0.1:\(port)"),
                variables: [
                    "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
                    "AWS_SESSION_TOKEN": "",
                ], shell: try SleepingShell(script, command))
        }
        do throws(LaunchError) {
            try server.createBucket()
        } catch {
            server.stop()
            throw error
        }
        return server
    }

    func stop() { shell.finish() }

    /// A free port may be taken before the server has it, so there is more than one try.
    private static func start(
        _ name: String, _ make: (UInt16) throws(LaunchError) -> StorageServer
    ) throws(LaunchError) -> StorageServer {
        for _ in 0..<startTries {
            let port = try freePort()
            let server = try make(port)
            if server.accepts(port, within: readyTime) { return server }
            server.stop()
        }
        throw LaunchError("\(name) does not listen on 127.0.0.1")
    }

    private static func freePort() throws(LaunchError) -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = loopback(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0
                    && getsockname(descriptor, address, &length) == 0
            }
        }
        guard isBound else { throw LaunchError("no free port: \(lastSystemError())") }
        return UInt16(bigEndian: address.sin_port)
    }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private func accepts(_ port: UInt16, within limit: Duration) -> Bool {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = Self.loopback(port: port)
            let isConnected = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            if isConnected { return true }
            usleep(20_000)
        }
        return false
    }

    /// A server that accepts connections may still need a moment until it answers.
    private func createBucket() throws(LaunchError) {
        guard case .s3(let bucket, _, let region, let endpoint) = place else { return }
        let deadline = ContinuousClock.now + Self.readyTime
        do throws(AWSError) {
            let client = S3Client(
                bucket: bucket, region: region ?? "us-east-1",
                endpoint: try Endpoint(parsing: endpoint ?? ""),
                credentials: Credentials(accessKeyID: "local", secretAccessKey: "local"))
            try client.createBucket(deadline: deadline)
        } catch {
            throw LaunchError("the S3 server of this job has no bucket: \(error)")
        }
    }
}
