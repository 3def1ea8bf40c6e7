// Programs that are not checks: they end early, disagree, stall or die, and the test that starts
// them looks at exit codes and output.

import Glibc
import MessagePassing

struct Scenario: Sendable {
    let run: @Sendable (_ world: any Communicator, _ backend: BackendTraits) throws -> Void

    static let names = [
        "early-exit", "mismatch-operation", "mismatch-root", "mismatch-count",
        "compute-then-talk SECONDS [RANK]", "hang-around", "fail RANK", "truncate", "beyond-2-gib",
        "stress MESSAGES [SEED]", "flood MESSAGES", "peak MEBIBYTES", "overlap MEBIBYTES",
        "survive SECONDS [ELEMENTS]",
    ]

    /// Nil if there is no scenario of this name.
    init?(_ name: String, _ arguments: inout ArraySlice<String>) throws(MPIError) {
        switch name {
        case "early-exit": run = { world, _ in try earlyExit(world) }
        case "mismatch-operation": run = mismatched { try mismatchOperation($0) }
        case "mismatch-root": run = mismatched { try mismatchRoot($0) }
        case "mismatch-count": run = mismatched { try mismatchCount($0) }
        case "compute-then-talk":
            let seconds = try Scenario.number(after: name, &arguments)
            let rank = arguments.popFirst().flatMap { Int($0) }
            run = { world, _ in
                try computeThenTalk(world, rank: rank ?? world.size - 1, seconds: seconds)
            }
        case "hang-around": run = { world, _ in try hangAround(world) }
        case "fail":
            let rank = try Scenario.number(after: name, &arguments)
            run = { world, _ in try fail(world, rank: rank) }
        case "truncate": run = { world, _ in try truncate(world) }
        case "survive":
            let seconds = try Scenario.number(after: name, &arguments)
            let elements = arguments.popFirst().flatMap { Int($0) }
            run = { world, _ in
                try survive(world, seconds: seconds, elements: elements ?? 1_000_000)
            }
        case "beyond-2-gib": run = { world, _ in try beyondTwoGiB(world) }
        case "stress":
            let count = try Scenario.number(after: name, &arguments)
            let seed = arguments.popFirst().flatMap { UInt64($0) }
            run = { world, _ in
                // Without a seed rank 0 draws one for all.
                let drawn = try world.bcast(
                    seed ?? UInt64.random(in: 1..<1 << 32), root: 0)
                try stress(world, messageCount: count, seed: drawn)
            }
        case "flood":
            let count = try Scenario.number(after: name, &arguments)
            run = { world, _ in try flood(world, count: count) }
        case "peak":
            let mebibytes = try Scenario.number(after: name, &arguments)
            run = { world, _ in try exchangeAtPeak(world, byteCount: mebibytes << 20) }
        case "overlap":
            let mebibytes = try Scenario.number(after: name, &arguments)
            run = { world, _ in try overlap(world, byteCount: mebibytes << 20) }
        default: return nil
        }
    }

    private static func number(
        after name: String, _ arguments: inout ArraySlice<String>
    ) throws(MPIError) -> Int {
        let text = try Options.value(of: name, &arguments)
        guard let number = Int(text), number >= 0 else {
            throw .invalidArgument("conformance", "\(name) \(text) is no whole number")
        }
        return number
    }
}

/// Rank 0 sends 64 KiB to all and leaves; the others sleep 1 s and then receive it.
private func earlyExit(_ world: any Communicator) throws {
    let values = Values(seed: 1)
    let sent = values.elements(UInt8.self, 64 << 10, stream: 0)
    if world.rank == 0 {
        for peer in 1..<max(world.size, 1) { try world.send(sent.span, to: .rank(peer)) }
        return
    }
    sleep(1)
    let received = try world.recv(UInt8.self, from: 0)
    guard received == sent else {
        throw MPIError(
            .programFailed, operation: "early-exit", reason: "the message is another one")
    }
    report("rank \(world.rank) received \(received.count) bytes")
}

/// One rank computes in silence before it joins the others, who wait for it.
private func computeThenTalk(_ world: any Communicator, rank: Int, seconds: Int) throws {
    var state = UInt64(world.rank + 1)
    if world.rank == rank {
        let end = time(nil) + seconds
        while time(nil) < end {
            for _ in 0..<100_000 { state = state &* 6_364_136_223_846_793_005 &+ 1 }
        }
    }
    let ranks = try world.allreduce(state == 0 ? 0 : 1, .sum)
    report("rank \(world.rank) talked to \(ranks) ranks")
}

/// Exchanges for ever, until a test kills a rank.
private func hangAround(_ world: any Communicator) throws {
    let elements = Array(repeating: world.rank, count: 1000 * world.size)
    let counts = Array(repeating: 1000, count: world.size)
    var round = 0
    while true {
        _ = try world.alltoallv(elements.span, counts: counts)
        if round == 0 { report("rank \(world.rank) of \(world.size) is process \(getpid())") }
        round += 1
    }
}

/// One rank throws while the others wait for it.
private func fail(_ world: any Communicator, rank: Int) throws {
    if world.rank == rank {
        throw MPIError(.programFailed, operation: "fail", reason: "rank \(rank) was told to fail")
    }
    try world.barrier()
}

/// Everyone's buffer is too short for what rank 0 sends.
private func truncate(_ world: any Communicator) throws {
    let sent = Values(seed: 1).elements(UInt8.self, 100_000, stream: 0)
    if world.rank == 0 {
        var group = world.requests()
        for peer in 1..<max(world.size, 1) { try group.isend(sent.span, to: .rank(peer)) }
        try group.waitAll()
    } else {
        // Room enough for the test itself to survive what MPI does.
        var room = [UInt8](repeating: 0, count: 200_000)
        try room.withUnsafeMutableBytes { bytes in
            let short = UnsafeMutableRawBufferPointer(rebasing: bytes[..<10])
            _ = try world.wait(
                try world.irecv(into: short, from: 0, tag: 0, context: .pointToPoint))
        }
    }
    try world.barrier()
}

/// One line on standard output, at once.
func report(_ line: String) {
    print(line)
    fflush(nil)
}
