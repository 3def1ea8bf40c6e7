// Too much of what is allowed: joins, jobs, relays, signals, and answers that nobody reads.

import Glibc
import MessagePassing

@testable import ServerlessMPI

extension HostileCase {
    /// Two members of a running job of their own.
    private static func runningPair(
        _ world: HostileWorld
    ) throws -> (RawMember, RawMember) {
        let pair = (try RawMember(world), try RawMember(world))
        pair.0.send(.join(world.joinRequest(rank: 0, size: 2)))
        pair.1.send(.join(world.joinRequest(rank: 1, size: 2)))
        for member in [pair.0, pair.1] {
            member.run { $0.messages.count > 1 }
            guard member.messages.count > 1 else {
                throw HostileWorld.Unrefused("no roster: \(member.messages)")
            }
        }
        return pair
    }

    static let floodCases: [HostileCase] = [
        HostileCase("100 joins for ranks that are taken", .server) { world in
            for number in 0..<100 {
                let raw = try RawMember(world, job: "victim")
                raw.send(.join(world.joinRequest(rank: number % 3)))
                raw.run { $0.refusal != nil }
                guard raw.refusal?.code == .duplicateRank else {
                    throw HostileWorld.Unrefused("\(raw.messages)")
                }
            }
            return "`duplicateRank`, 100 times"
        },
        HostileCase("more jobs than the server takes", .server) { world in
            var members: [RawMember] = []
            var refused = 0
            for number in 0..<40 {
                let raw = try RawMember(world, job: "job-\(number)")
                raw.send(.join(world.joinRequest(rank: 0)))
                raw.run { $0.messages.count > 0 }
                if raw.refusal?.code == .unsupported { refused += 1 }
                members.append(raw)
            }
            guard refused == 40 - (20 - 1) else {
                throw HostileWorld.Unrefused("\(refused) of 40 were refused")
            }
            return "`unsupported`, \(refused) of 40"
        },
        HostileCase("5000 relay requests of one rank", .server) { world in
            let (low, high) = try runningPair(world)
            for _ in 0..<5000 { low.send(.relay(peer: 1)) }
            low.run { _ in world.counters.activeJobs < 2 }
            _ = high
            let answers = low.messages.count {
                if case .relay = $0 { true } else { false }
            }
            return low.end == .open
                ? "one offer replaces the other: \(answers) answers, one pair" : "closed"
        },
        HostileCase("relays to ranks that do not exist", .server) { world in
            let (low, high) = try runningPair(world)
            low.send(.relay(peer: 4000))
            low.run { $0.messages.count > 2 }
            _ = high
            guard
                low.end != .open
                    || low.messages.contains(where: { message in
                        if case .relayRefused = message { true } else { false }
                    })
            else { throw HostileWorld.Unrefused("\(low.messages)") }
            return low.end == .open ? "refused with a cause" : "closed, its own job fails"
        },
        HostileCase("1000 signals at once", .server) { world in
            let (low, high) = try runningPair(world)
            for _ in 0..<1000 where low.end == .open { low.send(.connect(peer: 1)) }
            low.run { _ in false }
            guard low.end != .open else { throw HostileWorld.Unrefused("all are passed on") }
            high.run { $0.messages.contains { if case .failed = $0 { true } else { false } } }
            return "closed, its own job fails"
        },
        HostileCase("a signal to itself", .server) { world in
            let (low, high) = try runningPair(world)
            low.send(.connect(peer: 0))
            low.run { _ in false }
            _ = high
            guard low.end != .open else { throw HostileWorld.Unrefused("it is kept") }
            return "closed, its own job fails"
        },
        HostileCase("20 000 heartbeats at once", .server) { world in
            let (low, high) = try runningPair(world)
            for _ in 0..<20 {
                low.write(
                    (0..<1000).flatMap { _ in [1, 0, 0, 0] + ClientMessage.heartbeat.encoded })
            }
            _ = high
            return "taken, and nothing kept"
        },
        HostileCase("a rank that reads no answer", .server) { world in
            let (low, high) = try runningPair(world)
            // Each costs an answer of some hundred bytes; 8 MiB of them at most are queued.
            var asked = 0
            while low.end == .open, asked < 400 {
                low.write(
                    (0..<500).flatMap { _ in
                        [5, 0, 0, 0] + ClientMessage.relay(peer: 1).encoded
                    })
                asked += 1
            }
            _ = high
            return low.end == .open
                ? "\(asked * 500) answers within the bound on output" : "closed"
        },
    ]
}
