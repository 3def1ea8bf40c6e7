// Processes that hold a job's server key, as a retried function or a thief of the environment does,
// and say to the server what no rank would.

import Glibc
import MessagePassing

@testable import ServerlessMPI

extension HostileCase {
    static let memberCases: [HostileCase] =
        lengthCases + malformedCases + claimCases + memberSilenceCases

    /// A message that ends the connection of its sender.
    private static func ending(
        _ what: String, _ say: @escaping @Sendable (RawMember, HostileWorld) -> Void
    ) -> @Sendable (HostileWorld) throws -> String {
        { world in
            let raw = try RawMember(world)
            say(raw, world)
            guard raw.run(until: { _ in false }) != .open else {
                throw HostileWorld.Unrefused("the server keeps the connection")
            }
            return what
        }
    }

    /// A message that is refused with a cause, and counted.
    private static func malformed(
        _ bytes: @escaping @Sendable (HostileWorld) -> [UInt8]
    ) -> @Sendable (HostileWorld) throws -> String {
        { world in
            let raw = try RawMember(world)
            let how = try world.counted("malformed", \.malformedMessages) {
                raw.send(bytes(world))
                raw.run { _ in false }
            }
            guard let cause = raw.refusal else {
                throw HostileWorld.Unrefused("the server does not say why")
            }
            let reason = cause.reason.split(separator: ": ").dropFirst().joined(separator: ": ")
            return "\(how): \(reason)"
        }
    }

    /// A join that is refused with this code.
    private static func refusedJoin(
        job: String = "victim", _ code: MPIError.Code,
        _ request: @escaping @Sendable (HostileWorld) -> JoinRequest
    ) -> @Sendable (HostileWorld) throws -> String {
        { world in
            let raw = try RawMember(world, job: job)
            raw.send(.join(request(world)))
            raw.run { $0.refusal != nil }
            guard let cause = raw.refusal, cause.code == code else {
                throw HostileWorld.Unrefused("\(raw.messages)")
            }
            return "`\(code)`"
        }
    }

    private static let lengthCases: [HostileCase] = [0, 4097, 1 << 31, Int(UInt32.max)].map {
        length in
        HostileCase(
            "a message to the server of \(length) bytes", .server,
            ending("closed") { raw, _ in
                raw.send([UInt8](repeating: 2, count: min(length, 5000)), claiming: length)
            })
    }

    private static let malformedCases: [HostileCase] = [
        HostileCase("a message of 1 byte, of no kind", .server, malformed { _ in [0x77] }),
        HostileCase(
            "a message of the greatest length, of nothing", .server,
            malformed { _ in [UInt8](repeating: 0, count: 4096) }),
        HostileCase(
            "a join that is cut", .server,
            malformed { Array(ClientMessage.join($0.joinRequest(rank: 0)).encoded.dropLast()) }),
        HostileCase(
            "a join with a byte too many", .server,
            malformed { ClientMessage.join($0.joinRequest(rank: 0)).encoded + [0] }),
        HostileCase(
            "a join of another version", .server,
            malformed {
                var bytes = ClientMessage.join($0.joinRequest(rank: 0)).encoded
                bytes[1] = 7
                return bytes
            }),
        HostileCase(
            "a join for a job of no ranks", .server,
            malformed { ClientMessage.join($0.joinRequest(rank: nil, size: 0)).encoded }),
        HostileCase(
            "a join as a rank beyond the size", .server,
            malformed { ClientMessage.join($0.joinRequest(rank: 3, size: 3)).encoded }),
        HostileCase(
            "a join with 255 candidates", .server,
            malformed {
                // The count of candidates, behind what has a fixed length.
                var bytes = ClientMessage.join($0.joinRequest(rank: 0)).encoded
                bytes[56] = 255
                return bytes + [UInt8](repeating: 1, count: 2000)
            }),
        HostileCase(
            "an abort whose cause is noise", .server,
            malformed { _ in [3] + HostileTests.noise(9, 400) }),
    ]

    private static let claimCases: [HostileCase] = [
        HostileCase(
            "a second process for a rank", .server,
            refusedJoin(.duplicateRank) { $0.joinRequest(rank: 1) }),
        HostileCase(
            "a ticket of noise", .server,
            refusedJoin(.duplicateRank) {
                $0.joinRequest(rank: 1, ticket: HostileTests.noise(1, 32))
            }),
        HostileCase(
            "a stale ticket: of another epoch", .server,
            refusedJoin(.duplicateRank) { world in
                var request = world.joinRequest(rank: 1)
                request.ticket = ServerKeys(
                    operatorSecret: JoinWorld.operatorSecret, job: "victim"
                ).ticket(epoch: 7, rank: 1, requestID: request.requestID)
                return request
            }),
        HostileCase(
            "another rank's ticket", .server,
            refusedJoin(.duplicateRank) { world in
                var request = world.joinRequest(rank: 1)
                request.ticket = ServerKeys(
                    operatorSecret: JoinWorld.operatorSecret, job: "victim"
                ).ticket(epoch: 0, rank: 2, requestID: request.requestID)
                return request
            }),
        HostileCase(
            "another encryption mode, after the start", .server,
            refusedJoin(.invalidArgument) { $0.joinRequest(rank: 1, encryption: .none) }),
        HostileCase(
            "another size, after the start", .server,
            refusedJoin(.invalidArgument) { $0.joinRequest(rank: 1, size: 5) }),
        HostileCase(
            "a rank without a number, after the start", .server,
            refusedJoin(.invalidArgument) { $0.joinRequest(rank: nil) }),
        HostileCase(
            "a job of more ranks than the server takes", .server,
            refusedJoin(job: "large", .unsupported) { $0.joinRequest(rank: 0, size: 4096) }),
        HostileCase("an older epoch", .server) { world in
            let first = try RawMember(world, job: "epochs")
            first.send(.join(world.joinRequest(rank: 0, epoch: 5)))
            first.run { $0.messages.count > 0 }
            return try refusedJoin(job: "epochs", .staleEpoch) {
                $0.joinRequest(rank: 1, epoch: 4)
            }(world)
        },
    ]

    private static let memberSilenceCases: [HostileCase] = [
        HostileCase(
            "a member that speaks before it joins", .server,
            ending("closed") { raw, _ in raw.send(.heartbeat) }),
        HostileCase(
            "a member that joins twice on one connection", .server,
            ending("closed") { raw, world in
                raw.send(.join(world.joinRequest(rank: 0)))
                raw.send(.join(world.joinRequest(rank: 1)))
            }),
        HostileCase("a member that never joins", .server) { world in
            let raw = try RawMember(world)
            return try world.counted("closed after the handshake timeout", \.failedHandshakes) {
                raw.run { _ in false }
            }
        },
        HostileCase("a message to the server, a byte every 20 ms", .server) { world in
            let raw = try RawMember(world)
            return try world.counted("closed after the handshake timeout", \.failedHandshakes) {
                for byte in ClientMessage.join(world.joinRequest(rank: 0)).encoded.prefix(60) {
                    if raw.end != .open { break }
                    raw.write([byte])
                    usleep(20_000)
                }
                raw.run { _ in false }
            }
        },
    ]
}
