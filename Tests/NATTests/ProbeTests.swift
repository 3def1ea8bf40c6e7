// `mpi-compare probe`: its report as a value, its command line, and what it finds out on loopback
// and behind the NATs of a laboratory.
import Foundation
import CompactJSON
import Launchers
import MessagePassing
import Records
import ServerlessMPI
import Testing

@testable import Lab
@testable import Report

@Suite("The report of a probe")
struct ProbeReportTests {
    static let classes: [(kind: NATKind, natClass: NATClass, place: PeerPlace)] = [
        (.open, .open, .open), (.firewall, .open, .firewall), (.masquerade, .cone, .cone),
        (.cgn, .cone, .cone), (.symmetric, .symmetric, .symmetric),
    ]

    @Test("paths are those that the grid expects and measures")
    func grid() {
        for here in Self.classes {
            for there in Self.classes {
                let outlook = PathOutlook.toPeer(
                    at: there.place, from: here.natClass, hairpins: false)
                let expected = GridCell.expectation(here.kind, there.kind, LineConditions())
                // Only a firewall before a public address is beyond what a probe can see.
                let isUnsure = here.natClass == .open && there.natClass == .symmetric
                switch outlook {
                case .direct?: #expect(expected == .direct && !isUnsure, "\(here) \(there)")
                case .relayed?: #expect(expected == .relayed && !isUnsure, "\(here) \(there)")
                case .depends?: #expect(isUnsure, "\(here) \(there)")
                case nil: Issue.record("no outlook from \(here) to \(there)")
                }
            }
        }
    }

    @Test("behind one NAT the own network is direct, and hairpinning decides on others")
    func sameNAT() {
        for natClass in [NATClass.cone, .symmetric] {
            func outlook(_ place: PeerPlace, _ hairpins: Bool?) -> PathOutlook? {
                PathOutlook.toPeer(at: place, from: natClass, hairpins: hairpins)
            }
            #expect(outlook(.sameNetwork, false) == .direct)
            #expect(outlook(.sameNAT, true) == .direct)
            #expect(outlook(.sameNAT, false) == .relayed)
            #expect(outlook(.sameNAT, nil)?.name == "depends")
        }
        #expect(PathOutlook.toPeer(at: .sameNAT, from: .open, hairpins: nil) == nil)
    }

    static func report(
        _ natClass: NATClass, relay: Result<NetworkProbe.Relay, MPIError>, hasObserver: Bool = true,
        turn: NetworkAttachment.TURNAllocation? = nil, scope: NetworkAttachment.Scope = .global
    ) -> ProbeReport {
        let attachment = NetworkAttachment(
            serverAddress: "203.0.113.1:7000", localAddress: "10.0.0.2:5000",
            observedAddress: "203.0.113.9:5000", observedScope: scope, natClass: natClass,
            hostAddresses: ["10.0.0.2"], hasGlobalIPv6: false, roundTripTime: .milliseconds(12),
            turn: turn)
        return ProbeReport(
            server: "server.example:7000",
            findings: NetworkProbe.Findings(
                attachment: attachment, relay: relay, hairpins: natClass == .open ? nil : false),
            hasObserver: hasObserver, descriptorsMax: 1024)
    }

    static let works = Result<NetworkProbe.Relay, MPIError>.success(
        NetworkProbe.Relay(roundTripTime: .milliseconds(25), bytesPerSecond: 12_300_000))
    static let fails = Result<NetworkProbe.Relay, MPIError>.failure(
        MPIError(.connectFailed, operation: "connect", reason: "line one\nline two"))

    @Test("every kind of NAT has its term, and what cannot be told says what to do")
    func words() {
        let terms: [(NATClass, String)] = [
            (.open, "(open)"), (.cone, "endpoint-independent"), (.symmetric, "port-dependent"),
            (.unknown, "is it the one"),
        ]
        for (natClass, term) in terms {
            let text = Self.report(natClass, relay: Self.works).lines.joined(separator: "\n")
            let flat = text.split(separator: " ").map { $0.filter { $0 != "\n" } }
                .joined(separator: " ")
            #expect(flat.contains(term), "\(text)")
            #expect(text.contains("works: 25.00 ms from rank to rank, 12.3 MB/s"), "\(text)")
        }
        let blind = Self.report(.unknown, relay: Self.works, hasObserver: false)
        #expect(blind.lines.joined().contains("give --observer PORT"))
        let near = Self.report(.open, relay: Self.works, scope: .local)
        #expect(near.lines.joined().contains("in one private network"))
    }

    @Test("lines fit a terminal, and foreign words cannot break them")
    func lines() {
        for natClass in NATClass.allCases {
            for relay in [Self.works, Self.fails] {
                let lines = Self.report(natClass, relay: relay, turn: .failed("a\nb")).lines
                #expect(lines.allSatisfy { $0.count <= 100 && !$0.contains("\n") }, "\(lines)")
            }
        }
    }

    @Test("where the relay fails, the paths that need it are none, unless TURN stands in")
    func noRelay() {
        let lines = Self.report(.symmetric, relay: Self.fails).lines
        #expect(lines.contains { $0.contains("does not work: connect: connectFailed") })
        #expect(lines.contains { $0.hasPrefix("a symmetric NAT") && $0.contains("nothing") })
        let turn = Self.report(.symmetric, relay: Self.fails, turn: .address("203.0.113.4:50000"))
        #expect(turn.lines.contains { $0.hasPrefix("a symmetric NAT") && $0.contains("(TURN)") })
    }

    @Test("the JSON object says the same")
    func json() {
        let json = Self.report(.symmetric, relay: Self.works).json
        #expect(JSONValue(parsing: json.description)?["nat"] == .string("symmetric"))
        #expect(json["relay_rtt_ms"] == .number(25))
        #expect(json["hairpins"] == .bool(false))
        #expect(json["paths"]?["open"] == .string("direct"))
        #expect(json["paths"]?["cone"] == .string("relay"))
        let failed = Self.report(.cone, relay: Self.fails, turn: .failed("no answer")).json
        #expect(failed["relay"] == .bool(false))
        #expect(failed["turn_cause"] == .string("no answer"))
    }
}

@Suite("Probing from the command line")
struct ProbeCommandTests {
    private static let secret = String(repeating: "5a", count: 32)
    private static let key = [JoinConfiguration.Variable.serverKey: secret]

    @Test(
        "what is missing or wrong is one line that says what to do, and shows no secret",
        arguments: [
            ("probe", key, "give --server HOST:PORT"),
            ("probe --server nowhere", key, "--server nowhere"),
            ("probe --server 127.0.0.1:0", key, "give HOST:PORT"),
            ("probe --server 127.0.0.1:1", [:], "rendezvous token --job probe"),
            ("probe --server 127.0.0.1:1", key, "start `rendezvous serve` there"),
            ("probe --server 127.0.0.1:1 --observer 70000", key, "--observer 70000"),
            ("probe --server 127.0.0.1:1 --timeout 0", key, "--timeout 0"),
            ("probe --server 127.0.0.1:1 --secret-file /nonexistent", [:], "/nonexistent"),
            ("probe --server 127.0.0.1:1 --secret-file /dev/null", [:], "64 hexadecimal digits"),
            (
                "probe --server 127.0.0.1:1",
                [JoinConfiguration.Variable.serverKey: "x"], "must be 64 hexadecimal digits"
            ),
            (
                "probe",
                key.merging(
                    [JoinConfiguration.Variable.url: "rendezvous://127.0.0.1:1/weather?size=2"],
                    uniquingKeysWith: { $1 }), "the token of job weather will not do"
            ),
        ])
    func wrong(command: String, environment: [String: String], expected: String) throws {
        let tool = try Tool(
            "mpi-compare", command.split(separator: " ").map(String.init), environment: environment)
        #expect(try tool.wait() == 2, "\(tool.report)")
        #expect(tool.errors.split(separator: "\n").count == 1, "\(tool.report)")
        #expect(tool.errors.contains(expected), "\(tool.report)")
        #expect(!tool.errors.contains(Self.secret) && tool.output.isEmpty, "\(tool.report)")
    }

    @Test("on loopback it finds no NAT and a relay that works, with either kind of key")
    func loopback() throws {
        let secret = Secret.random()
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("probe-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try secret.hex.write(to: file, atomically: true, encoding: .utf8)
        let server = try RendezvousServer.start(secret: secret)
        defer { server.stop() }
        let place = ["probe", "--server", server.address, "--observer", "\(server.observerPort)"]
        let token = JobTokens(operatorSecret: secret, job: "probe").serverKey
        for (arguments, environment) in [
            (place + ["--secret-file", file.path], [:]),
            (place, [JoinConfiguration.Variable.serverKey: token.hex]),
            // A token is good for more than one probe.
            (place + ["--json"], [JoinConfiguration.Variable.serverKey: token.hex]),
        ] {
            let tool = try Tool("mpi-compare", arguments, environment: environment)
            #expect(try tool.wait() == 0, "\(tool.report)")
            #expect(!tool.output.contains(secret.hex) && !tool.output.contains(token.hex))
            if arguments.contains("--json") {
                let json = try #require(JSONValue(parsing: tool.output.filter { $0 != "\n" }))
                #expect(json["nat"] == .string("open") && json["relay"] == .bool(true), "\(json)")
            } else {
                #expect(tool.output.contains("none to a server on this machine"))
                #expect(tool.output.contains("from rank to rank"), "\(tool.report)")
            }
        }
    }

    @Test("a server with another secret refuses, and the line names the key that is wrong")
    func refused() throws {
        let server = try RendezvousServer.start(secret: .random())
        defer { server.stop() }
        let tool = try Tool(
            "mpi-compare", ["probe", "--server", server.address], environment: Self.key)
        #expect(try tool.wait() == 2, "\(tool.report)")
        #expect(tool.errors.contains(JoinConfiguration.Variable.serverKey), "\(tool.report)")
        #expect(tool.errors.split(separator: "\n").count == 1, "\(tool.report)")
    }

    @Test("a server that relays nothing is reported, with exit code 1")
    func noRelay() throws {
        let secret = Secret.random()
        var limits = RendezvousLimits()
        limits.relayedPairs = 0
        let server = try RendezvousServer.start(secret: secret, limits: limits)
        defer { server.stop() }
        let token = JobTokens(operatorSecret: secret, job: "probe").serverKey
        let tool = try Tool(
            "mpi-compare", ["probe", "--server", server.address, "--timeout", "8"],
            environment: [JoinConfiguration.Variable.serverKey: token.hex])
        #expect(try tool.wait() == 1, "\(tool.report)")
        #expect(tool.output.contains("does not work"), "\(tool.report)")
    }
}

extension LaboratoryTests {
    @Suite("Probing")
    struct Probing {
        /// The probe on a host of the laboratory, and what it printed.
        private func probe(
            _ host: String, _ lab: Lab, _ server: RendezvousServer, _ options: [String]
        ) throws -> String {
            let token = server.mintTokens(job: "probe").serverKey
            let (executable, arguments) = try lab.command(
                on: host, Tool.path("mpi-compare"), ["probe", "--server", server.address] + options)
            let tool = try Tool(
                executable, arguments,
                environment: [JoinConfiguration.Variable.serverKey: token.hex])
            guard try tool.wait() == 0 else { throw Unexpected("\(host): \(tool.report)") }
            return tool.output
        }

        @Test("every kind of home is told for what it is, and the relay works from all")
        func kinds() throws {
            let expected: [(kind: NATKind, nat: String, hairpins: JSONValue)] = [
                (.open, "open", .null), (.firewall, "open", .null),
                (.masquerade, "cone", .bool(false)), (.masqueradeRST, "cone", .bool(false)),
                (.symmetric, "symmetric", .bool(false)), (.cgn, "cone", .bool(false)),
                (.dualStack, "symmetric", .bool(false)),
            ]
            let lab = try Lab(Topologies.ranks(expected.count, kinds: expected.map(\.kind)))
            defer { lab.close() }
            let server = try startServer(in: lab)
            defer { server.stop() }
            for (host, home) in zip(lab.internet.rankHosts, expected) {
                let output = try probe(
                    host, lab, server, ["--observer", "\(server.observerPort)", "--json"])
                let json = try #require(JSONValue(parsing: output.filter { $0 != "\n" }))
                #expect(json["nat"] == .string(home.nat), "\(home.kind): \(json)")
                #expect(json["hairpins"] == home.hairpins, "\(home.kind): \(json)")
                #expect(json["relay"] == .bool(true), "\(home.kind): \(json)")
                #expect(json["global_ipv6"] == .bool(home.kind == .dualStack), "\(json)")
            }
            // Without the observer kinds of NAT look alike, and the report says what is missing.
            let blind = try probe(lab.internet.rankHosts[2], lab, server, [])
            #expect(blind.contains("give --observer PORT"), "\(blind)")
        }

        @Test("distance and bandwidth are what the line gives, not more")
        func figures() throws {
            var internet = Topologies.ranks(1)
            internet.lines.delay = .milliseconds(5)
            internet.lines.megabitsPerSecond = 40
            let lab = try Lab(internet)
            defer { lab.close() }
            let server = try startServer(in: lab)
            defer { server.stop() }
            let output = try probe(
                "rank0", lab, server, ["--observer", "\(server.observerPort)", "--json"])
            let json = try #require(JSONValue(parsing: output.filter { $0 != "\n" }))
            func figure(_ name: String) -> Double? {
                switch json[name] {
                case .number(let value)?: value
                case .integer(let value)?: Double(value)
                default: nil
                }
            }
            #expect(try #require(figure("server_rtt_ms")) >= 10)
            #expect(try #require(figure("relay_rtt_ms")) >= 20)
            // 40 Mbit/s are 5 MB/s; what the shaper lets through at once is a small part.
            let megabytes = try #require(figure("relay_mb_per_s"))
            #expect(megabytes > 0 && megabytes < 6, "\(json)")
        }
    }
}
