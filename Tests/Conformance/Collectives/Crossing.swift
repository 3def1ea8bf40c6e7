// Collectives among other traffic on the same connections: what stands in front of a collective's
// messages, or comes between them, is not theirs.

import MessagePassing

let crossingChecks: [Check] = [
    Check("messages in front of a collective's are received after it, whatever their lengths") {
        world, expect in
        for length in [0, 1, 100, 5000, 20_000, 150_000, 300_000] {
            for vector in [1, 700, 5000, 30_000, 130_000] {
                let mine = expect.values.elements(UInt8.self, length, stream: world.rank)
                let sending = try world.isend(mine.span, to: .rank(world.next), tag: 7)
                let label = "\(length) bytes before vectors of \(vector)"
                try sumAndSpread(vector, world, expect, label)
                var theirs = Array(repeating: UInt8(0), count: length)
                try world.recv(into: theirs.mutableSpan, from: .rank(world.previous), tag: 7)
                expect.equalBytes(
                    theirs, expect.values.elements(UInt8.self, length, stream: world.previous),
                    label)
                _ = try sending.wait()
            }
        }
    },
    Check("collectives of two communicators may be called by two threads at once") {
        world, expect in
        let communicators = [try world.dup(), try world.dup()]
        let ended = onThreads(2) { thread in
            let communicator = communicators[thread]
            for round in 0..<200 {
                let value = communicator.rank + round * (thread + 1)
                let sum = try communicator.allreduce(value, .sum)
                let ranks = communicator.size * (communicator.size - 1) / 2
                guard sum == ranks + communicator.size * round * (thread + 1) else {
                    return "round \(round): \(sum)"
                }
                let root = round % communicator.size
                let told = try communicator.bcast(communicator.rank == root ? sum : 0, root: root)
                guard told == sum else { return "round \(round): told \(told)" }
                try communicator.barrier()
            }
            return "all rounds"
        }
        expect.equal(ended, ["all rounds", "all rounds"], "threads")
    },
]

/// A sum, a broadcast from every root, and an exchange, of `count` elements of four bytes.
private func sumAndSpread(
    _ count: Int, _ world: any Communicator, _ expect: Expectations, _ label: String
) throws {
    let addends = (0..<world.size).map { rank in (0..<count).map { Int32($0 % 1000 + rank) } }
    let mine = addends[world.rank]
    let sum = try world.allreduce(mine.span, .sum)
    let expected = (0..<count).map { index in addends.reduce(0) { $0 + $1[index] } }
    expect.equal(sum, expected, "sum, \(label)")
    let root = count % world.size
    var spread = world.rank == root ? expected : Array(repeating: 0, count: count)
    try world.bcast(spread.mutableSpan, root: root)
    expect.equal(spread, expected, "broadcast, \(label)")
    let all = try world.allgather(mine.span)
    expect.equal(all, addends.flatMap { $0 }, "allgather, \(label)")
}
