import CompactHTTP
import CompactJSON
import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

/// The `rendezvous` program as one runs it for months: set by a file, watched, and taken down
/// without hurting a job.
@Suite struct RendezvousOperationTests {
    static let environment = RendezvousProgramTests.environment

    /// A file in /tmp that goes with its owner.
    final class Scratch {
        let path: String

        init(_ text: String) throws {
            var name = Array("/tmp/rendezvous-test-XXXXXX".utf8CString)
            let descriptor = mkstemp(&name)
            try #require(descriptor >= 0)
            path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            _ = text.withCString { write(descriptor, $0, strlen($0)) }
            close(descriptor)
        }

        deinit { unlink(path) }
    }

    /// A server with a status port, and what its two first log lines told.
    struct Watched {
        let run: RendezvousRun
        let url: JoinURL
        let status: String

        init(_ settings: String = "", job: String = "j", size: Int = 2) throws {
            let file = try Scratch("status = 127.0.0.1:0\nlog-format = json\n" + settings)
            run = try RendezvousRun(
                ["serve", "--config", file.path], environment: environment)
            let words = run.line().dropLast().split(separator: " ")
            try #require(words.count == 4)
            let port = try #require(UInt16(words[1].split(separator: ":").last ?? ""))
            let observer: UInt16 = try #require(UInt16(words[3]))
            url = JoinURL(
                host: "127.0.0.1", port: port, job: job, size: size,
                joinTimeout: .seconds(10), observerPort: observer)
            status = try #require(try Self.field("address", run.logLine(), message: "status"))
        }

        /// A field of the first log line with this message.
        static func field(
            _ name: String, _ line: @autoclosure () -> String, message: String
        ) throws -> String? {
            while true {
                let text = line()
                let value = try #require(JSONValue(parsing: Array(text.utf8)), "\(text)")
                guard case .object(let fields) = value else { continue }
                let found = Dictionary(
                    fields.map { ($0.name, $0.value.string ?? "") }, uniquingKeysWith: { $1 })
                if found["message"] == message { return found[name] }
            }
        }

        func get(_ target: String, method: String = "GET") throws -> (status: Int, body: String) {
            let connection = try HTTPSocket.connect(
                status, timeout: .seconds(5), limits: HTTPLimits(bodyByteCountMax: 1 << 20))
            try connection.send(
                Array("\(method) \(target) HTTP/1.1\r\nhost: x\r\n\r\n".utf8),
                timeout: .seconds(5))
            let answer = try connection.receive(timeout: .seconds(5))
            return (answer.status ?? 0, String(decoding: answer.body, as: UTF8.self))
        }

        /// The value of a metric.
        func metric(_ name: String) throws -> Int? {
            try get("/metrics").body.split(separator: "\n")
                .first { $0.hasPrefix("\(name) ") }
                .flatMap { Int($0.dropFirst(name.count + 1)) }
        }

        func configuration(_ rank: Int, job: String? = nil) -> JoinConfiguration {
            var url = url
            url.job = job ?? url.job
            let tokens = JobTokens(
                operatorSecret: Secret(hex: RendezvousProgramTests.secret) ?? .random(),
                job: url.job)
            // All ranks of a test's job share a peer secret.
            return JoinConfiguration(
                url: url, rank: rank, serverKey: tokens.serverKey,
                peerSecret: Secret([UInt8](repeating: 9, count: 32)))
        }
    }

    @Test func `a job shows in the metrics, and health and readiness are told`() throws {
        let server = try Watched()
        #expect(try server.get("/health").status == 200)
        #expect(try server.get("/ready").status == 200)
        #expect(try server.get("/nothing").status == 404)
        #expect(try server.get("/metrics", method: "POST").status == 405)
        let configurations = (0..<2).map { server.configuration($0) }
        let job = try JoinWorld(size: 2)
        let outcomes = job.run(configurations)
        #expect(outcomes.allSatisfy { $0.error == nil })
        // The ranks may be told before the server has counted.
        for (name, value) in [
            ("rendezvous_jobs", 1), ("rendezvous_ranks", 2), ("rendezvous_jobs_started_total", 1),
        ] {
            #expect(
                HostileTests.eventually { (try? server.metric(name)) == value }, "\(name)")
        }
        job.end(outcomes)
        #expect(
            HostileTests.eventually {
                (try? server.metric("rendezvous_jobs_finished_total")) == 1
            })
        #expect(HostileTests.eventually { (try? server.metric("rendezvous_ranks")) == 0 })
        // The connection that asks comes and goes.
        let descriptors = try server.metric("process_open_fds") ?? 0
        #expect(abs(descriptors - server.run.openDescriptorCount) <= 2)
    }

    @Test func `every metric has its help and its type, and no name twice`() throws {
        let lines = try Watched().get("/metrics").body.split(separator: "\n")
        var names: Set<Substring> = []
        for index in stride(from: 0, to: lines.count, by: 3) {
            let words = lines[index + 2].split(separator: " ")
            try #require(words.count == 2)
            #expect(lines[index].hasPrefix("# HELP \(words[0]) "))
            #expect(lines[index + 1].hasPrefix("# TYPE \(words[0]) "))
            #expect(lines[index + 1].hasSuffix("counter") == words[0].hasSuffix("_total"))
            #expect(Double(words[1]) != nil)
            #expect(names.insert(words[0]).inserted)
        }
        #expect(names.count > 20)
    }

    @Test func `a server that drains refuses new jobs, keeps the old, and ends with the last`()
        throws
    {
        let server = try Watched()
        let world = try JoinWorld(size: 2)
        let outcomes = world.run((0..<2).map { server.configuration($0) })
        #expect(outcomes.allSatisfy { $0.error == nil })
        kill(server.run.pid, SIGTERM)
        #expect(HostileTests.eventually { (try? server.get("/ready").status) == 503 })
        #expect(try server.get("/health").status == 200)

        let late = JoinWorld.joinAndConnect(server.configuration(0, job: "late"))
        #expect(late.error?.code == .unsupported)
        #expect(late.error?.reason.contains("takes no new jobs") == true)
        #expect(
            HostileTests.eventually {
                (try? server.metric("rendezvous_jobs_refused_total")) == 1
            })
        // The job that is here still works through it.
        #expect(outcomes[0].links[1]?.exchange([1, 2, 3]) == nil)
        #expect(outcomes[1].links[0]?.exchange([4, 5, 6]) == [1, 2, 3])
        world.end(outcomes)
        #expect(server.run.end().code == 0)
    }

    @Test(arguments: ["the drain's time is up", "a second signal comes"])
    func `a job that does not end keeps the server no longer than told`(_ how: String) throws {
        let isShort = how.hasPrefix("the drain")
        let server = try Watched("drain-timeout = \(isShort ? 0.2 : 60)")
        let world = try JoinWorld(size: 2)
        let outcomes = world.run((0..<2).map { server.configuration($0) })
        kill(server.run.pid, SIGTERM)
        if !isShort {
            #expect(HostileTests.eventually { (try? server.get("/ready").status) == 503 })
            kill(server.run.pid, SIGTERM)
        }
        #expect(server.run.end().code == 0)
        world.end(outcomes)
    }

    @Test func `a status connection that says nothing keeps nobody out`() throws {
        let server = try Watched()
        let port = try #require(UInt16(server.status.split(separator: ":").last ?? ""))
        let silent = try (0..<40).map { _ in try HostileTests.stranger(port) }
        defer { for socket in silent { close(socket) } }
        #expect(try server.get("/health").status == 200)
        let garbled = try HostileTests.stranger(port)
        defer { close(garbled) }
        HostileTests.send(HostileTests.noise(3, 4096), garbled)
        #expect(try server.get("/health").status == 200)
    }

    @Test func `options override the file`() throws {
        let file = try Scratch("listen = 127.0.0.1:1\n# a comment\n\nlog-level=error # another\n")
        let server = try RendezvousRun(
            ["serve", "--config", file.path, "--listen", "127.0.0.1:0"],
            environment: Self.environment)
        #expect(server.line().hasPrefix("listening 127.0.0.1:"))
        kill(server.pid, SIGINT)
        #expect(server.end() == (0, "", ""))
    }

    @Test(arguments: [
        ("listen\n", "line 1: a line is `name = value`"),
        ("\nlissen = 127.0.0.1:0\n", "line 2: there is no setting lissen"),
        ("jobs = 3\njobs = 4\n", "line 2: jobs was set in line 1 already"),
        ("jobs = many\n", "line 1: jobs must be a whole number from 1 to"),
        ("drain-timeout = -1\n", "line 1: drain-timeout must be seconds from"),
        ("log-format = xml\n", "line 1: log-format must be text or json"),
        ("observer-port = 65536\n", "line 1: observer-port must be a port"),
    ])
    func `what is wrong in the file is named with its line`(_ text: String, _ complaint: String)
        throws
    {
        let file = try Scratch(text)
        let end = try RendezvousRun(
            ["serve", "--config", file.path], environment: Self.environment
        ).end()
        #expect(end.code == 2)
        #expect(end.errors.contains(complaint), "\(end.errors)")
        #expect(end.errors.split(separator: "\n").count == 1)
    }

    @Test func `one address takes only its share of the places before the join`() throws {
        var limits = RendezvousLimits()
        limits.connectionsNotJoinedPerAddress = 4
        let world = try JoinWorld(size: 2, limits: limits)
        let strangers = try (0..<12).map { _ in try HostileTests.stranger(world.url.port) }
        #expect(HostileTests.eventually { world.server.counters.refusedByAddress == 8 })
        for socket in strangers { close(socket) }
        #expect(HostileTests.eventually { world.server.counters.openConnections == 0 })
        let outcomes = world.run()
        #expect(outcomes.allSatisfy { $0.error == nil })
        world.end(outcomes)
    }

    @Test func `systemd is told when the server is ready and when it drains`() throws {
        let path = "/tmp/rendezvous-notify-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let listener = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0)
        defer {
            close(listener)
            unlink(path)
        }
        func message() -> String {
            var watched = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&watched, 1, 10_000) == 1 else { return "" }
            var bytes = [UInt8](repeating: 0, count: 512)
            let count = recv(listener, &bytes, bytes.count, 0)
            return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
        }
        let server = try RendezvousRun(
            ["serve"], environment: Self.environment + ["NOTIFY_SOCKET=\(path)"])
        #expect(message().hasPrefix("READY=1\n"))
        kill(server.pid, SIGTERM)
        #expect(message().hasPrefix("STOPPING=1\n"))
        #expect(server.end().code == 0)
    }
}
