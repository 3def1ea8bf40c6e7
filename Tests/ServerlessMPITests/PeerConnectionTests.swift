import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

/// The two ends of one connection in the making, over loopback TCP; and strangers at one end.
@Suite struct PeerConnectionTests {
    static let secret = Secret([UInt8](repeating: 5, count: 32))

    static func identity(
        _ rank: Int, _ mode: EncryptionMode = .on, job: String = "job", epoch: UInt64 = 0,
        secret: Secret = secret
    ) -> PeerIdentity {
        let url = JoinURL(
            host: "127.0.0.1", port: 1, job: job, epoch: epoch, size: 4, encryption: mode)
        return PeerIdentity(
            JoinConfiguration(url: url, serverKey: .random(), peerSecret: secret), rank: rank)
    }

    /// Two connected nonblocking sockets.
    static func tcpPair() throws -> (Int32, Int32) {
        let listener = try Socket.open(.loopback4)
        defer { close(listener) }
        try Socket.bind(listener, to: SocketAddress(ip: .loopback4, port: 0))
        try Socket.listen(listener, backlog: 1)
        let address = try #require(Socket.localAddress(listener))
        let client = try Socket.open(.loopback4)
        _ = try Socket.connect(client, to: address)
        for _ in 0..<1000 {
            if let (server, _) = try Socket.accept(listener) { return (client, server) }
            usleep(1000)
        }
        throw IOFailure(reason: "no connection")
    }

    /// One end, driven as MeshConnector drives it.
    final class End {
        let connection: PeerConnection
        let isLow: Bool
        private(set) var failure: MeshMachine.DialFailure?
        private(set) var isAuthenticated = false
        private(set) var isDone = false

        init(
            dialled socket: Int32, _ identity: PeerIdentity, to peer: Int, isRelayed: Bool = false
        ) {
            connection = PeerConnection(
                dialled: socket, number: 1, peer: peer, identity: identity, isRelayed: isRelayed)
            isLow = identity.rank < peer
        }

        init(relayed socket: Int32, _ identity: PeerIdentity, to peer: Int, _ token: RelayToken) {
            connection = PeerConnection(
                relayed: socket, number: 1, peer: peer, identity: identity, token: token)
            isLow = identity.rank < peer
        }

        init(
            accepted socket: Int32, _ identity: PeerIdentity, isLow: Bool, isRelayed: Bool = false
        ) {
            connection = PeerConnection(
                accepted: socket, number: 2, identity: identity, isRelayed: isRelayed)
            self.isLow = isLow
        }

        deinit { if failure == nil { connection.close() } }

        func step() {
            guard failure == nil, !isDone else { return }
            var event = connection.advance()
            while let happened = event {
                switch happened {
                case .identified: event = connection.welcome()
                case .authenticated:
                    isAuthenticated = true
                    event = isLow ? connection.nominate() : connection.advance()
                case .failed(let cause):
                    failure = cause
                    connection.close()
                    return
                case .nominated, .nominationSent:
                    isDone = true
                    return
                }
            }
        }
    }

    /// Until both are done or failed, or nothing has come of it for a while.
    static func drive(_ ends: End...) {
        for _ in 0..<400 {
            for end in ends { end.step() }
            if ends.allSatisfy({ $0.isDone || $0.failure != nil }) { return }
            usleep(500)
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let dialler: Int
        let mode: EncryptionMode
        var testDescription: String { "rank \(dialler) dials, encryption \(mode)" }
    }

    static let cases = [1, 2].flatMap { rank in
        [EncryptionMode.on, .none].map { Case(dialler: rank, mode: $0) }
    }

    @Test(arguments: cases)
    func `the lower rank leads, whichever side has dialled`(_ test: Case) throws {
        let (left, right) = try Self.tcpPair()
        let other = 3 - test.dialler
        let one = End(dialled: left, Self.identity(test.dialler, test.mode), to: other)
        let two = End(accepted: right, Self.identity(other, test.mode), isLow: other == 1)
        Self.drive(one, two)
        #expect(one.isDone && two.isDone, "\(String(describing: one.failure ?? two.failure))")
        #expect(two.connection.peer == test.dialler)
        #expect((one.connection.tls != nil) == (test.mode == .on))
    }

    @Test(arguments: [EncryptionMode.on, .none])
    func `both sides may have dialled, by simultaneous open`(_ mode: EncryptionMode) throws {
        let (left, right) = try Self.tcpPair()
        let one = End(dialled: left, Self.identity(1, mode), to: 2)
        let two = End(dialled: right, Self.identity(2, mode), to: 1)
        Self.drive(one, two)
        #expect(one.isDone && two.isDone)
    }

    @Test(arguments: cases)
    func `through a relay everything is encrypted, whatever the mode`(_ test: Case) throws {
        let (left, right) = try Self.tcpPair()
        let other = 3 - test.dialler
        let one = End(
            dialled: left, Self.identity(test.dialler, test.mode), to: other, isRelayed: true)
        let two = End(
            accepted: right, Self.identity(other, test.mode), isLow: other == 1, isRelayed: true)
        Self.drive(one, two)
        #expect(one.isDone && two.isDone, "\(String(describing: one.failure ?? two.failure))")
        #expect(one.connection.tls != nil && two.connection.tls != nil)
    }

    @Test(arguments: [1, 2], [false, true])
    func `a relay that poses as a direct path is refused`(
        dialler: Int, isDiallerDeceived: Bool
    ) throws {
        let (left, right) = try Self.tcpPair()
        let other = 3 - dialler
        let one = End(
            dialled: left, Self.identity(dialler, .none), to: other, isRelayed: !isDiallerDeceived)
        let two = End(
            accepted: right, Self.identity(other, .none), isLow: other == 1,
            isRelayed: isDiallerDeceived)
        Self.drive(one, two)
        #expect(!one.isDone && !two.isDone)
    }

    struct Mismatch: Sendable, CustomTestStringConvertible {
        let name: String
        let stranger: PeerIdentity
        let expected: String
        var testDescription: String { name }
    }

    static let mismatches = [
        Mismatch(
            name: "another secret", stranger: identity(1, secret: .random()),
            expected: "peer secret"),
        Mismatch(name: "another mode", stranger: identity(1, .none), expected: "encryption none"),
        Mismatch(name: "another job", stranger: identity(1, job: "joc"), expected: "another job"),
        Mismatch(name: "another epoch", stranger: identity(1, epoch: 9), expected: "epoch 9"),
    ]

    @Test(arguments: mismatches)
    func `who does not belong here is refused before the handshake`(_ test: Mismatch) throws {
        let (left, right) = try Self.tcpPair()
        let stranger = End(dialled: left, test.stranger, to: 2)
        let rank = End(accepted: right, Self.identity(2), isLow: false)
        Self.drive(stranger, rank)
        guard case .hopeless(let cause)? = rank.failure else {
            Issue.record("\(test.name): \(String(describing: rank.failure))")
            return
        }
        #expect(cause.contains(test.expected), "\(test.name): \(cause)")
        // A member of the job is shown why, so that it does not try again.
        let isHopeless = if case .hopeless? = stranger.failure { true } else { false }
        #expect(isHopeless == (test.name != "another job"), "\(test.name)")
    }

    @Test func `who has proven nothing gets no MAC to replay`() throws {
        let (attacker, victim) = try Self.tcpPair()
        defer { close(attacker) }
        let rank = End(accepted: victim, Self.identity(2), isLow: false)
        let forged = PeerHello(
            encryption: .on, epoch: 0, sender: 1, receiver: 2, jobTag: PeerHello.jobTag("job"),
            nonce: Array(0..<16)
        ).encoded(key: .random())
        _ = forged.withUnsafeBytes { Socket.write(attacker, $0) }
        Self.drive(rank)
        var answer = [UInt8](repeating: 1, count: PeerHello.byteCount)
        let result = answer.withUnsafeMutableBytes { Socket.read(attacker, $0) }
        guard case .bytes(PeerHello.byteCount) = result else {
            Issue.record("no answer: \(result)")
            return
        }
        #expect(try PeerHello(decoding: answer).sender == 2)
        #expect(answer.suffix(32).allSatisfy { $0 == 0 })
        #expect(!PeerHello.isAuthentic(answer, key: Self.identity(2).keys(with: 1).hello))
    }

    @Test func `a rank met at another's address is refused`() throws {
        let (left, right) = try Self.tcpPair()
        let lost = End(dialled: left, Self.identity(1), to: 3)
        let wrong = End(accepted: right, Self.identity(2), isLow: false)
        Self.drive(lost, wrong)
        #expect(wrong.failure == .hopeless("another rank is at this address"))
        #expect(lost.failure != nil)
    }

    @Test(arguments: [EncryptionMode.on, .none])
    func `a recorded conversation, replayed, does not get in`(_ mode: EncryptionMode) throws {
        // An honest conversation through a wire that records what the lower rank says.
        let (low, wireToLow) = try Self.tcpPair()
        let (wireToHigh, high) = try Self.tcpPair()
        let one = End(dialled: low, Self.identity(1, mode), to: 2)
        let two = End(accepted: high, Self.identity(2, mode), isLow: false)
        var recorded: [UInt8] = []
        for _ in 0..<400 where !(one.isDone && two.isDone) {
            one.step()
            two.step()
            recorded += Self.forward(wireToLow, wireToHigh)
            _ = Self.forward(wireToHigh, wireToLow)
            usleep(500)
        }
        #expect(one.isDone && two.isDone)
        close(wireToLow)
        close(wireToHigh)
        // The same bytes again, to the same rank.
        let (attacker, victim) = try Self.tcpPair()
        defer { close(attacker) }
        let again = End(accepted: victim, Self.identity(2, mode), isLow: false)
        _ = recorded.withUnsafeBytes { Socket.write(attacker, $0) }
        Self.drive(again)
        #expect(again.failure != nil)
        #expect(!again.isAuthenticated)
    }

    /// Moves what has come; returns it.
    private static func forward(_ from: Int32, _ to: Int32) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65536)
        guard case .bytes(let count) = buffer.withUnsafeMutableBytes({ Socket.read(from, $0) })
        else { return [] }
        _ = buffer.prefix(count).withUnsafeBytes { Socket.write(to, $0) }
        return Array(buffer.prefix(count))
    }

    @Test(arguments: 0..<6)
    func `random bytes after a true hello do not get in`(seed: UInt64) throws {
        var random = JitterGenerator(state: seed)
        for mode in [EncryptionMode.on, .none] {
            let (attacker, victim) = try Self.tcpPair()
            defer { close(attacker) }
            let member = Self.identity(1, mode)
            let hello = PeerHello(
                encryption: mode, epoch: 0, sender: 1, receiver: 2, jobTag: member.jobTag,
                nonce: Array(0..<16)
            ).encoded(key: member.keys(with: 2).hello)
            let noise = (0..<400).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
            let rank = End(accepted: victim, Self.identity(2, mode), isLow: false)
            _ = (hello + noise).withUnsafeBytes { Socket.write(attacker, $0) }
            Self.drive(rank)
            #expect(rank.failure != nil, "seed \(seed), encryption \(mode)")
            #expect(!rank.isAuthenticated, "seed \(seed), encryption \(mode)")
        }
    }

    @Test func `a hello that comes byte by byte is understood`() throws {
        let (peer, socket) = try Self.tcpPair()
        defer { close(peer) }
        let member = Self.identity(1, .none)
        let hello = PeerHello(
            encryption: .none, epoch: 0, sender: 1, receiver: 2, jobTag: member.jobTag,
            nonce: Array(0..<16)
        ).encoded(key: member.keys(with: 2).hello)
        let rank = End(accepted: socket, Self.identity(2, .none), isLow: false)
        for byte in hello {
            _ = [byte].withUnsafeBytes { Socket.write(peer, $0) }
            usleep(100)
            rank.step()
        }
        rank.step()
        #expect(rank.failure == nil)
        #expect(rank.connection.peer == 1)
    }
}
