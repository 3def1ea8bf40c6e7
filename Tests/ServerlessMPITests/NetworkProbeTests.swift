// The probe against a real server on loopback, and what a rank is told of its own attachment.

import Glibc
import MessagePassing
import Synchronization
import Testing

@testable import ServerlessMPI

@Suite(.serialized) struct NetworkProbeTests {
    private static func probe(_ world: JoinWorld) throws -> NetworkProbe {
        try NetworkProbe(url: world.url, serverKey: world.tokens.serverKey)
    }

    @Test(arguments: ["127.0.0.1:0", "[::1]:0"])
    func `it finds itself open, measures the relay, and leaves nothing behind`(
        listen: String
    ) throws {
        let world = try JoinWorld(size: 1, job: "probe", listen: listen)
        defer { world.server.stop() }
        for round in UInt64(1)...2 {
            let findings = try Self.probe(world).run(timeout: .seconds(20))
            #expect(findings.attachment.natClass == .open)
            #expect(findings.attachment.observedScope == .loopback)
            #expect(findings.attachment.observedAddress == findings.attachment.localAddress)
            #expect(findings.attachment.serverAddress == world.server.address)
            #expect(findings.hairpins == nil && findings.attachment.turn == nil)
            let relay = try findings.relay.get()
            #expect(relay.roundTripTime > .zero && relay.bytesPerSecond > 0)
            #expect(world.server.counters.relayedPairs == Int(round))
            #expect(HostileTests.eventually { world.server.counters.openConnections == 0 })
        }
    }

    @Test func `it joins when the observer has seen it, and without if that takes too long`() throws
    {
        let world = try JoinWorld(size: 1, job: "probe")
        defer { world.server.stop() }
        for round in 1...20 {
            var configuration = world.configuration(0)
            configuration.url.epoch = UInt64(round)
            configuration.awaitsObservation = true
            let outcome = JoinWorld.joinAndConnect(configuration)
            #expect(outcome.error == nil)
            // Before the join, not eventually.
            #expect(world.server.counters.observations == round)
            outcome.end()
        }
        // A listener that takes nothing is an observer that never answers.
        let silent = try Socket.open(.loopback4)
        defer { close(silent) }
        try Socket.bind(silent, to: SocketAddress(ip: .loopback4, port: 0))
        try Socket.listen(silent, backlog: 8)
        var configuration = world.configuration(0)
        configuration.url.epoch = 100
        configuration.url.joinTimeout = .seconds(3)
        configuration.url.observerPort = try #require(Socket.localAddress(silent)).port
        configuration.awaitsObservation = true
        let outcome = JoinWorld.joinAndConnect(configuration)
        #expect(outcome.error == nil)
        #expect(world.server.counters.observations == 20)
        outcome.end()
    }

    @Test func `a refused relay is a finding, not an error`() throws {
        var limits = RendezvousLimits()
        limits.relayedPairs = 0
        let world = try JoinWorld(size: 1, job: "probe", limits: limits)
        defer { world.server.stop() }
        let findings = try Self.probe(world).run(timeout: .seconds(8))
        guard case .failure(let cause) = findings.relay else {
            Issue.record("a relay, though the server has none")
            return
        }
        #expect(cause.code == .connectFailed)
        #expect(cause.candidates.contains { $0.name.hasPrefix("relayed") }, "\(cause)")
    }

    @Test func `a wrong key, a silent server and no server are errors of their own`() throws {
        let world = try JoinWorld(size: 1, job: "probe")
        defer { world.server.stop() }
        let stranger = try NetworkProbe(url: world.url, serverKey: .random())
        #expect { try stranger.run(timeout: .seconds(10)) } throws: {
            ($0 as? MPIError)?.code == .unauthorized
        }

        let silent = try Socket.open(.loopback4)
        defer { close(silent) }
        try Socket.bind(silent, to: SocketAddress(ip: .loopback4, port: 0))
        try Socket.listen(silent, backlog: 8)
        var probe = world
        probe.url.port = try #require(Socket.localAddress(silent)).port
        probe.url.observerPort = nil
        #expect { try Self.probe(probe).run(timeout: .milliseconds(300)) } throws: {
            ($0 as? MPIError)?.code == .timedOut
        }

        probe.url.port = 1
        #expect { try Self.probe(probe).run(timeout: .seconds(20)) } throws: {
            ($0 as? MPIError)?.code == .connectFailed
        }
    }

    @Test(.enabled(if: Coturn.program != nil, Coturn.missing))
    func `a TURN server's allocation is tried, and its refusal told`() throws {
        let coturn = try Coturn()
        let world = try JoinWorld(size: 1, job: "probe")
        defer { world.server.stop() }
        var probe = try Self.probe(world)
        probe.turn = coturn.configuration
        guard case .address(let address)? = try probe.run(timeout: .seconds(20)).attachment.turn
        else {
            Issue.record("no allocation")
            return
        }
        #expect(address.hasPrefix("127.0.0.1:"))
        probe.turn?.password = Secret(Array("wrong".utf8))
        guard case .failed(let cause)? = try probe.run(timeout: .seconds(20)).attachment.turn else {
            Issue.record("an allocation with a wrong password")
            return
        }
        #expect(cause.contains("wrong user name or password"))
    }

    @Test func `every rank of a job can ask how it is attached`() throws {
        let world = try JoinWorld(size: 2)
        defer { world.server.stop() }
        let classes = Mutex<[NATClass?]>([])
        let lines = JobTests.run((0..<2).map { world.configuration($0) }) { rank in
            let attachment = rank.setUp.attachment
            #expect(attachment?.serverAddress == world.server.address)
            classes.withLock { $0.append(attachment?.natClass) }
        }
        #expect(lines == [nil, nil])
        #expect(classes.withLock { $0 } == [.open, .open])
    }

    @Test func `addresses are local, global or of this machine`() throws {
        let scopes: [(String, NetworkAttachment.Scope)] = [
            ("127.0.0.1", .loopback), ("::1", .loopback), ("10.1.2.3", .local),
            ("172.16.0.1", .local), ("172.31.255.255", .local), ("172.32.0.1", .global),
            ("192.168.7.7", .local), ("192.169.0.1", .global), ("100.64.0.1", .local),
            ("100.127.255.255", .local), ("100.128.0.1", .global), ("8.8.8.8", .global),
            ("fd00::1", .local), ("2001:db8::1", .global),
        ]
        for (text, scope) in scopes {
            #expect(try #require(IPAddress(numeric: text)).scope == scope, "\(text)")
        }
    }
}
