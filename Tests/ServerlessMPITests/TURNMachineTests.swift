import MessagePassing
import Testing

@testable import ServerlessMPI

/// One allocation on fake time, against a server played by the test.
@Suite struct TURNMachineTests {
    static let configuration = TURNConfiguration(
        host: "relay", port: 3478, username: "user", password: Secret(Array("word".utf8)))
    static let key = STUNKey(
        username: "user", realm: "lab", password: Secret(Array("word".utf8)))
    static let relayed = SocketAddress(ip: .v4(0xc000_0205), port: 50000)

    static func ip(_ last: UInt32) -> IPAddress { .v4(0x0a00_0000 + last) }

    /// The machine, and a server that answers as it is told.
    struct Bench {
        var machine: TURNMachine
        var now = ContinuousClock.now
        var nonce = "nonce-1"

        init(dataLimit: Int = 4, isV6: Bool = false) {
            machine = TURNMachine(
                configuration, isV6: isV6, dataLimit: dataLimit, seed: 1,
                deadline: now + TURNMachine.allocationTimeout)
            machine.connected(now: now)
        }

        /// What the machine asks for on the control connection.
        mutating func requests() throws -> [STUNMessage] {
            try machine.takeActions().compactMap { action in
                guard case .send(let bytes) = action else { return nil }
                return try STUNMessage(decoding: bytes)
            }
        }

        mutating func request() throws -> STUNMessage {
            let all = try requests()
            #expect(all.count == 1)
            return try #require(all.first)
        }

        mutating func challenge(_ request: STUNMessage, _ code: UInt8) {
            fail(
                request, code, [.text(.realm, "lab"), .text(.nonce, nonce)])
        }

        /// An error of the 400s or, from 500, of the 500s.
        mutating func fail(_ request: STUNMessage, _ code: UInt8, _ more: [STUNAttribute] = []) {
            let number = code >= 100 ? [5, code - 100] : [4, code]
            let answer = STUNMessage(
                .failure, request.method, transaction: request.transaction,
                [STUNAttribute(.errorCode, [0, 0] + number)] + more)
            machine.received(answer.encoded, now: now)
        }

        mutating func succeed(
            _ request: STUNMessage, _ attributes: [STUNAttribute] = [],
            key: STUNKey? = TURNMachineTests.key
        ) throws {
            let answer = STUNMessage(
                .success, request.method, transaction: request.transaction, attributes)
            machine.received(answer.encoded(signedWith: try #require(key)), now: now)
        }

        mutating func grant(_ request: STUNMessage, lifetime: UInt32 = 600) throws {
            try succeed(
                request,
                [
                    .address(.xorRelayedAddress, relayed, transaction: request.transaction),
                    .lifetime(lifetime),
                ])
        }

        /// Up to a standing allocation.
        mutating func allocate(lifetime: UInt32 = 600) throws {
            challenge(try request(), 1)
            try grant(try request(), lifetime: lifetime)
            #expect(machine.relayedAddress == relayed)
        }

        mutating func pass(_ duration: Duration) {
            now += duration
            machine.advance(to: now)
        }

        mutating func announce(_ id: UInt32) {
            let indication = STUNMessage(
                .indication, .connectionAttempt, transaction: [UInt8](1...12), [.connectionID(id)])
            machine.received(indication.encoded, now: now)
        }
    }

    @Test func `an allocation is asked for unsigned, then as the server says`() throws {
        var bench = Bench()
        let first = try bench.request()
        #expect(first.method == .allocate)
        #expect(first.attributes == [.tcpTransport])
        bench.challenge(first, 1)
        let actions = bench.machine.takeActions()
        guard case .send(let bytes)? = actions.first else { throw IOFailure(reason: "no action") }
        let key = try #require(Self.key)
        #expect(STUNMessage.isAuthentic(bytes, key: key))
        let second = try STUNMessage(decoding: bytes)
        #expect(second.transaction != first.transaction)
        #expect(second.text(.realm) == "lab" && second.text(.nonce) == "nonce-1")
        #expect(!bench.machine.isSettled)
        try bench.grant(second)
        #expect(bench.machine.relayedAddress == Self.relayed)
        #expect(bench.machine.isSettled)
    }

    @Test func `over IPv6 an address of IPv6 is asked for`() throws {
        var bench = Bench(isV6: true)
        #expect(try bench.request().attributes == [.tcpTransport, .ipv6Family])
    }

    struct Refusal: Sendable {
        let code: UInt8
        let words: String
    }

    @Test(arguments: [
        Refusal(code: 1, words: "SERVERLESS_MPI_TURN_PASSWORD"),
        Refusal(code: 37, words: "437"), Refusal(code: 42, words: "no-tcp-relay"),
        Refusal(code: 86, words: "user-quota"), Refusal(code: 108, words: "max-port"),
        Refusal(code: 99, words: "it refused (499 to Allocate)"),
    ])
    func `a refused allocation says what to do`(_ refusal: Refusal) throws {
        var bench = Bench()
        bench.challenge(try bench.request(), 1)
        bench.challenge(try bench.request(), refusal.code)
        #expect(bench.machine.fault?.reason.contains(refusal.words) == true)
        #expect(bench.machine.isSettled)
        #expect(bench.machine.takeActions() == [.closeControl])
        #expect(bench.machine.nextDeadline == nil)
    }

    @Test func `a stale nonce is replaced, but not for ever`() throws {
        var bench = Bench()
        try bench.allocate()
        bench.machine.permit([Self.ip(1)], now: bench.now)
        for turn in 2...4 {
            bench.nonce = "nonce-\(turn)"
            bench.challenge(try bench.request(), 38)
            #expect(bench.machine.fault == nil)
        }
        let last = try bench.request()
        #expect(last.text(.nonce) == "nonce-4")
        bench.challenge(last, 38)
        #expect(bench.machine.fault == nil, "a permission that fails does not end the allocation")
        #expect(bench.machine.denied[Self.ip(1)]?.code == 438)
    }

    @Test func `an answer that the password did not sign is not believed`() throws {
        var bench = Bench()
        bench.challenge(try bench.request(), 1)
        let request = try bench.request()
        try bench.succeed(
            request,
            [.address(.xorRelayedAddress, Self.relayed, transaction: request.transaction)],
            key: STUNKey(shortTerm: .random()))
        #expect(bench.machine.relayedAddress == nil)
        #expect(bench.machine.fault == .unsigned)
    }

    @Test func `a silent server is given up in time`() throws {
        var bench = Bench()
        _ = try bench.request()
        #expect(bench.machine.nextDeadline == bench.now + TURNMachine.allocationTimeout)
        bench.pass(TURNMachine.allocationTimeout)
        #expect(bench.machine.fault == .noAnswer)
    }

    @Test(arguments: [(600, 540), (120, 60), (2, 1), (0, 1), (UInt32.max, Int64(UInt32.max) - 60)])
    func `the allocation is refreshed before it ends`(lifetime: UInt32, after: Int64) throws {
        var bench = Bench()
        try bench.allocate(lifetime: lifetime)
        for _ in 0..<3 {
            #expect(bench.machine.nextDeadline == bench.now + .seconds(after))
            bench.pass(.seconds(after))
            let refresh = try bench.request()
            #expect(refresh.method == .refresh)
            #expect(refresh.number(.lifetime) == nil, "the server's default will do")
            try bench.succeed(refresh, [.lifetime(lifetime)])
        }
        #expect(bench.machine.fault == nil)
    }

    @Test func `a refresh without answer ends the allocation`() throws {
        var bench = Bench()
        try bench.allocate()
        bench.pass(.seconds(540))
        _ = try bench.request()
        bench.pass(TURNMachine.answerTimeout)
        #expect(bench.machine.fault == .noAnswer)
        #expect(bench.machine.relayedAddress == nil)
    }

    @Test func `many peers share a request, and permissions are renewed until told otherwise`()
        throws
    {
        var bench = Bench()
        try bench.allocate()
        let peers = (0..<100).map { Self.ip($0) } + [Self.ip(5), .loopback6]
        bench.machine.permit(peers, now: bench.now)
        let requests = try bench.requests()
        #expect(requests.map(\.method) == [.createPermission, .createPermission])
        #expect(requests.map { $0.attributes.count - 3 - 1 } == [64, 36])
        #expect(requests[0].address(.xorPeerAddress)?.ip == Self.ip(0))
        for request in requests { try bench.succeed(request) }
        bench.pass(TURNMachine.permissionRefresh)
        #expect(try bench.requests().count == 2)
        bench.machine.stopPermitting()
        #expect(bench.machine.denied.isEmpty)
    }

    @Test func `a forbidden address is found and does not spoil the others`() throws {
        var bench = Bench()
        try bench.allocate()
        bench.machine.permit((0..<8).map { Self.ip($0) }, now: bench.now)
        var granted = 0
        for _ in 0..<10 {
            for request in try bench.requests() {
                let peers = request.attributes.filter {
                    $0.type == STUNAttribute.Kind.xorPeerAddress.rawValue
                }.map { attribute in
                    STUNMessage(
                        .request, .createPermission, transaction: request.transaction,
                        [attribute]
                    ).address(.xorPeerAddress)?.ip
                }
                if peers.contains(Self.ip(6)) {
                    bench.fail(request, 3)
                } else {
                    granted += peers.count
                    try bench.succeed(request)
                }
            }
        }
        #expect(granted == 7)
        #expect(bench.machine.denied.keys.map(\.self) == [Self.ip(6)])
        #expect(bench.machine.denied[Self.ip(6)]?.reason.contains("403") == true)
        #expect(bench.machine.fault == nil)
    }

    @Test func `an announced peer is bound to a second connection and handed over`() throws {
        var bench = Bench()
        try bench.allocate()
        bench.announce(77)
        bench.announce(77)
        #expect(bench.machine.takeActions() == [.openData(1)])
        bench.machine.dataConnected(1)
        let first = try Self.bindRequest(bench.machine.takeActions())
        #expect(first.method == .connectionBind)
        #expect(first.number(.connectionID) == 77)
        // coturn gives each connection a nonce of its own.
        Self.answer(
            &bench, first, .failure,
            [
                STUNAttribute(.errorCode, [0, 0, 4, 38]), .text(.realm, "lab"),
                .text(.nonce, "other"),
            ])
        let second = try Self.bindRequest(bench.machine.takeActions())
        #expect(second.text(.nonce) == "other")
        Self.answer(&bench, second, .success, [])
        #expect(bench.machine.takeActions() == [.handOver(1)])
        #expect(bench.machine.neededByteCount(1) == 0)
    }

    private static func bindRequest(_ actions: [TURNMachine.Action]) throws -> STUNMessage {
        guard case .sendData(1, let bytes)? = actions.first, actions.count == 1 else {
            throw IOFailure(reason: "\(actions)")
        }
        return try STUNMessage(decoding: bytes)
    }

    /// Byte by byte, as far as the machine wants to read.
    private static func answer(
        _ bench: inout Bench, _ request: STUNMessage, _ kind: STUNMessage.Class,
        _ attributes: [STUNAttribute]
    ) {
        let answer = STUNMessage(
            kind, request.method, transaction: request.transaction, attributes)
        guard let key else { return }
        let bytes = kind == .success ? answer.encoded(signedWith: key) : answer.encoded
        for byte in bytes {
            #expect(bench.machine.neededByteCount(1) > 0)
            bench.machine.dataReceived(1, [byte])
        }
    }

    @Test func `a peer that cannot be bound is closed, and the allocation stands`() throws {
        for code in [UInt8(0), 1, 47] {
            var bench = Bench()
            try bench.allocate()
            bench.announce(1)
            _ = bench.machine.takeActions()
            bench.machine.dataConnected(1)
            let request = try Self.bindRequest(bench.machine.takeActions())
            Self.answer(&bench, request, .failure, [STUNAttribute(.errorCode, [0, 0, 4, code])])
            #expect(bench.machine.takeActions() == [.closeData(1)])
            #expect(bench.machine.fault == nil)
        }
        var bench = Bench()
        try bench.allocate()
        bench.announce(1)
        _ = bench.machine.takeActions()
        bench.pass(TURNMachine.bindTimeout)
        #expect(bench.machine.takeActions() == [.closeData(1)])
        #expect(bench.machine.fault == nil)
    }

    @Test func `a server that announces without end is not followed`() throws {
        var bench = Bench(dataLimit: 3)
        try bench.allocate()
        for id in 0..<100 { bench.announce(UInt32(id)) }
        #expect(bench.machine.takeActions().count == 3)
    }

    @Test func `a released allocation is given back and forgotten`() throws {
        var bench = Bench()
        try bench.allocate()
        bench.machine.release(now: bench.now)
        let actions = bench.machine.takeActions()
        #expect(actions.count == 2 && actions.last == .closeControl)
        guard case .send(let bytes)? = actions.first else { throw IOFailure(reason: "no action") }
        let release = try STUNMessage(decoding: bytes)
        #expect(release.method == .refresh && release.number(.lifetime) == 0)
        bench.machine.lost("closed")
        #expect(bench.machine.fault == nil)
        #expect(bench.machine.nextDeadline == nil)
    }

    @Test func `the end of the control connection is a fault with its cause`() throws {
        var bench = Bench()
        try bench.allocate()
        bench.announce(1)
        _ = bench.machine.takeActions()
        bench.machine.lost("closed by the other end")
        #expect(bench.machine.fault?.reason == "closed by the other end")
        #expect(bench.machine.takeActions() == [.closeData(1), .closeControl])
    }

    @Test(arguments: 0..<60)
    func `whatever a server sends, the machine comes to rest`(seed: UInt64) throws {
        var random = Seeded(seed)
        var bench = Bench()
        if seed % 2 == 0 { try bench.allocate() }
        for round in 0..<50 {
            let known = try bench.requests().last
            var bytes = STUNMessage(
                seed % 3 == 0 ? .indication : .success,
                seed % 3 == 0 ? .connectionAttempt : .refresh,
                transaction: known?.transaction ?? [UInt8](1...12),
                [.connectionID(UInt32(round)), .lifetime(5)]
            ).encoded
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] =
                    .random(in: 0 ... .max, using: &random)
            }
            bench.machine.received(bytes, now: bench.now)
            bench.pass(.seconds(1))
            #expect(bench.machine.data.count <= 4, "seed \(seed)")
        }
        bench.pass(.seconds(1_000_000))
        bench.pass(.seconds(1_000_000))
        #expect(bench.machine.isSettled, "seed \(seed)")
    }
}
