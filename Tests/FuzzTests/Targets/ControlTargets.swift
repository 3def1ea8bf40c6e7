// What ranks and the rendezvous server say to each other, and what STUN and TURN servers answer.

import MessagePassing

@testable import ServerlessMPI

extension FuzzTarget {
    static let control: [FuzzTarget] = [
        FuzzTarget(name: "client-message", seeds: { clientMessages.map(\.encoded) }) { bytes in
            guard let message = try? ClientMessage(decoding: bytes[...]) else { return }
            require(
                (try? ClientMessage(decoding: message.encoded[...])) == message,
                "\(message) changes")
        },
        FuzzTarget(name: "server-message", seeds: { serverMessages.map(\.encoded) }) { bytes in
            guard let message = try? ServerMessage(decoding: bytes[...]) else { return }
            require(
                (try? ServerMessage(decoding: message.encoded[...])) == message,
                "\(message) changes")
        },
        FuzzTarget(
            name: "job-table", seeds: { [clientMessages.flatMap { framed(0, $0.encoded) }] },
            mutations: 1500, run: jobTable),
        FuzzTarget(name: "stun", seeds: { [answer([]), answer([.lifetime(600)])] }) { bytes in
            guard let message = try? STUNMessage(decoding: bytes) else { return }
            for kind in [STUNAttribute.Kind.xorRelayedAddress, .lifetime, .realm] {
                _ = message.address(kind)
                _ = message.number(kind)
                _ = message.text(kind)
            }
            _ = STUNMessage.isAuthentic(bytes, key: STUNKey(shortTerm: key))
            _ = STUNMessage.hasSoundFingerprint(bytes)
        },
        FuzzTarget(
            name: "turn", seeds: { [answer([.text(.realm, "lab"), .text(.nonce, "n")])] }, run: turn
        ),
    ]

    private static let candidates = [
        Candidate(kind: .host, address: SocketAddress(ip: .v4(0x0a00_0107), port: 9)),
        Candidate(
            kind: .serverReflexive,
            address: SocketAddress(ip: .v6(high: 0x2001_0db8 << 32, low: 5), port: 80)),
    ]

    private static func join(_ rank: Int?) -> ClientMessage {
        .join(
            JoinRequest(
                encryption: .on, epoch: 1, size: 3, rank: rank, joinTimeout: .seconds(30),
                requestID: RequestID(naming: "request"), hostTag: Array(0..<16),
                candidates: candidates, ticket: [UInt8](repeating: 0xee, count: 32)))
    }

    private static let clientMessages: [ClientMessage] = [
        join(0), join(1), join(2), .heartbeat, .relay(peer: 1), .connect(peer: 2), .report(cause),
        .upgrade(peer: 1), .departed([1, 2]), .bye, join(nil),
    ]

    private static let serverMessages: [ServerMessage] = [
        .welcome(
            Welcome(
                rank: 3, ticket: Array(0..<32), observed: candidates[0].address,
                heartbeatInterval: .seconds(1))),
        .roster([
            RosterEntry(
                hostTag: Array(16..<32), observed: candidates[1].address, candidates: candidates,
                natClass: .symmetric)
        ]),
        .refused(cause), .failed(cause), .farewell, .relayRefused(peer: 2, cause),
        .connect(from: 7), .departed(peer: 4095),
    ]

    private static func framed(_ connection: UInt8, _ message: [UInt8]) -> [UInt8] {
        [connection, UInt8(message.count >> 8), UInt8(message.count & 255)] + message
    }

    private static func answer(_ attributes: [STUNAttribute]) -> [UInt8] {
        STUNMessage(.success, .allocate, transaction: [UInt8](repeating: 1, count: 12), attributes)
            .encoded
    }

    /// Messages from several connections of one job, which also end, while time passes.
    @Sendable private static func jobTable(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var limits = RendezvousLimits()
        limits.jobs = 4
        limits.ranksPerJob = 8
        limits.rememberedJobs = 4
        var table = JobTable(limits: limits) { ServerKeys(operatorSecret: key, job: $0) }
        var now = ContinuousClock.now
        while !input.isEmpty {
            let choice = input.byte()
            let connection = ConnectionID(number: UInt64(choice % 8))
            if choice >= 0xF0 {
                table.ended(connection, reason: "ended", now: now)
            } else if choice >= 0xE0 {
                now += .milliseconds(input.number())
                table.advance(to: now)
            } else {
                let piece = input.piece(input.number())
                if let message = try? ClientMessage(decoding: piece[...]) {
                    table.receive(
                        message, from: connection, job: choice & 8 == 0 ? "job" : "other",
                        observed: candidates[0].address, now: now)
                }
            }
            for case .send(let message, _) in table.takeEffects() {
                require(
                    (try? ServerMessage(decoding: message[...])) != nil,
                    "the server says what no rank understands")
            }
        }
    }

    /// A TURN machine that is answered at random, in pieces.
    @Sendable private static func turn(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var now = ContinuousClock.now
        var machine = TURNMachine(
            TURNConfiguration(host: "relay", port: 3478, username: "user", password: key),
            isV6: false, dataLimit: 4, seed: 1, deadline: now + .seconds(3))
        machine.connected(now: now)
        var transaction: [UInt8] = []
        while !input.isEmpty {
            for case .send(let request) in machine.takeActions() {
                transaction = (try? STUNMessage(decoding: request))?.transaction ?? transaction
            }
            var piece = input.piece(20 + Int(input.byte()))
            // Half of the answers are to what has been asked.
            if piece.count >= 20, piece[19] & 1 == 0, transaction.count == 12 {
                piece.replaceSubrange(8..<20, with: transaction)
            }
            machine.received(piece, now: now)
            now += .milliseconds(Int64(input.byte()))
            machine.advance(to: now)
        }
    }
}
