import MessagePassing
import Testing

@testable import ServerlessMPI

@Suite struct SettingsTests {
    static let hex = String(repeating: "ab", count: 32)
    static let good = [
        "SERVERLESS_MPI_URL": "rendezvous://127.0.0.1:7000/job-1?size=4",
        "SERVERLESS_MPI_SERVER_KEY": hex, "SERVERLESS_MPI_PEER_SECRET": hex,
    ]

    static func parse(_ changes: [String: String]) throws -> JoinConfiguration? {
        let variables = good.merging(changes) { $1 }
        return try JoinConfiguration.from { variables[$0] }
    }

    @Test func `without a join URL there is nothing to join`() throws {
        #expect(try JoinConfiguration.from { _ in nil } == nil)
        #expect(try Self.parse(["SERVERLESS_MPI_URL": ""]) == nil)
    }

    @Test func `what is not said has a default`() throws {
        let configuration = try #require(try Self.parse([:]))
        let url = configuration.url
        #expect(url.encryption == .on)
        #expect(url.epoch == 0)
        #expect(url.joinTimeout == .seconds(30))
        #expect(url.timeout == .seconds(300))
        #expect(url.mesh == 512 && !url.isLazy)
        #expect(configuration.rank == nil)
    }

    @Test(arguments: [
        "rendezvous://127.0.0.1:7000/job?epoch=3&size=4&encryption=none&join-timeout=2.5&timeout=9"
            + "&mesh=0",
        "rendezvous://[::1]:1/a?epoch=0&size=1&encryption=on&join-timeout=30&timeout=300&mesh=4096",
        "rendezvous://h:1/a?epoch=0&size=1&encryption=on&join-timeout=30&timeout=300&mesh=512"
            + "&observer=7001&keepalive=10&candidates=relayed",
        "rendezvous://host.example:65535/a.b_c-D?epoch=0&size=4096&encryption=on&join-timeout=30"
            + "&timeout=300&mesh=512",
    ])
    func `a join URL comes back as it was`(_ text: String) throws {
        #expect(try JoinURL(parsing: text).description == text)
    }

    @Test(arguments: [
        "http://127.0.0.1:1/a?size=1", "rendezvous://127.0.0.1:1", "rendezvous://127.0.0.1:1/a",
        "rendezvous://127.0.0.1/a?size=1", "rendezvous://::1:1/a?size=1",
        "rendezvous://127.0.0.1:70000/a?size=1", "rendezvous://:1/a?size=1",
        "rendezvous://h:1/a b?size=1", "rendezvous://h:1/?size=1", "rendezvous://h:1/a?size=0",
        "rendezvous://h:1/a?size=-1", "rendezvous://h:1/a?size=5000",
        "rendezvous://h:1/a?size=1&epoch=x", "rendezvous://h:1/a?size=1&encryption=maybe",
        "rendezvous://h:1/a?size=1&timeout=0", "rendezvous://h:1/a?size=1&timeout=nan",
        "rendezvous://h:1/a?size=1&join-timeout=1e99", "rendezvous://h:1/a?size=1&colour=red",
        "rendezvous://h:1/a?size=1&observer=0", "rendezvous://h:1/a?size=1&observer=x",
        "rendezvous://h:1/a?size=1&candidates=host",
        "rendezvous://h:1/a?size=1&mesh=-1", "rendezvous://h:1/a?size=1&mesh=4097",
        "rendezvous://h:1/a?size=1&mesh=all", "rendezvous://h:1/a?size=1&keepalive=0",
        "rendezvous://h:1/a?size=1&keepalive=1.5", "rendezvous://h:1/a?size=1&keepalive=32768",
    ])
    func `a wrong join URL is refused by one line that names the variable`(_ text: String) {
        let error = #expect(throws: MPIError.self) {
            try Self.parse(["SERVERLESS_MPI_URL": text])
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.reason.contains("SERVERLESS_MPI_URL") == true)
        #expect(error?.description.contains("\n") == false)
    }

    @Test(arguments: [
        ("SERVERLESS_MPI_RANK", "4"), ("SERVERLESS_MPI_RANK", "-1"),
        ("SERVERLESS_MPI_RANK", "one"), ("SERVERLESS_MPI_SERVER_KEY", "abc"),
        ("SERVERLESS_MPI_SERVER_KEY", ""), ("SERVERLESS_MPI_PEER_SECRET", "secret-word"),
    ])
    func `another wrong variable is named, and its value is not shown`(
        _ name: String, _ value: String
    ) {
        let error = #expect(throws: MPIError.self) { try Self.parse([name: value]) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.reason.contains(name) == true)
        if value.count > 2 { #expect(error?.description.contains(value) == false) }
    }

    static let turn = [
        "SERVERLESS_MPI_TURN_URL": "turn:relay.example:5000?transport=tcp",
        "SERVERLESS_MPI_TURN_USERNAME": "rank", "SERVERLESS_MPI_TURN_PASSWORD": "pass-word",
    ]

    @Test(arguments: [
        ("turn:relay.example:5000?transport=tcp", "relay.example", 5000),
        ("turn:192.0.2.7?transport=tcp", "192.0.2.7", 3478),
        ("turn:[2001:db8::7]:80?transport=tcp", "2001:db8::7", 80),
        ("turn:[::1]?transport=tcp", "::1", 3478),
    ])
    func `a TURN server is configured by three variables`(
        _ url: String, _ host: String, _ port: UInt16
    ) throws {
        #expect(try Self.parse([:])?.turn == nil)
        var variables = Self.turn
        variables["SERVERLESS_MPI_TURN_URL"] = url
        let turn = try #require(try Self.parse(variables)?.turn)
        #expect(turn.host == host && turn.port == port && turn.username == "rank")
        #expect(turn.password == Secret(Array("pass-word".utf8)))
    }

    @Test(arguments: [
        ("SERVERLESS_MPI_TURN_URL", "relay.example:5000"),
        ("SERVERLESS_MPI_TURN_URL", "turns:relay.example?transport=tcp"),
        ("SERVERLESS_MPI_TURN_URL", "turn:relay.example:5000"),
        ("SERVERLESS_MPI_TURN_URL", "turn:relay.example:5000?transport=udp"),
        ("SERVERLESS_MPI_TURN_URL", "turn:relay.example:70000?transport=tcp"),
        ("SERVERLESS_MPI_TURN_URL", "turn::5000?transport=tcp"),
        ("SERVERLESS_MPI_TURN_URL", "turn:?transport=tcp"),
        ("SERVERLESS_MPI_TURN_URL", "turn:2001:db8::7?transport=tcp"),
        ("SERVERLESS_MPI_TURN_URL", "turn:[2001:db8::7?transport=tcp"),
        ("SERVERLESS_MPI_TURN_USERNAME", ""), ("SERVERLESS_MPI_TURN_USERNAME", "a:b"),
        ("SERVERLESS_MPI_TURN_PASSWORD", ""),
    ])
    func `a wrong TURN variable is named in one line`(_ name: String, _ value: String) {
        let error = #expect(throws: MPIError.self) {
            try Self.parse(Self.turn.merging([name: value]) { $1 })
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.reason.hasPrefix(name) == true)
        #expect(error?.description.contains("\n") == false)
        #expect(error?.description.contains("pass-word") == false)
    }

    @Test func `addresses are written as RFC 5952 says`() {
        func text(_ high: UInt64, _ low: UInt64) -> String {
            IPAddress(high: high, low: low).description
        }
        #expect(text(0, 1) == "::1")
        #expect(text(0, 0) == "::")
        #expect(text(0x2001_0db8_0000_0000, 1) == "2001:db8::1")
        #expect(text(0x2001_0db8_0000_0001, 0x0001_0001_0001_0001) == "2001:db8:0:1:1:1:1:1")
        #expect(text(0, 0xffff_0a00_0001) == "10.0.0.1")
        for address in ["::1", "2001:db8::1", "fe80::1:0:0:1", "10.1.2.3", "::"] {
            #expect(IPAddress(numeric: address)?.description == address)
        }
        #expect(IPAddress(numeric: "localhost") == nil)
    }
}
