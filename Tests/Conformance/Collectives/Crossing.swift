// Collectives among other traffic on the same connections: what stands in front of a collective's
// messages, or comes between them, is not theirs.

import Glibc
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
    Check("a message that others wait for goes on while a collective waits for them") {
        world, expect in
        // Rank 0's long message is asked for while it is in a collective whose other ranks come only
        // after that message: it must notice, wherever in the collective it looks first.
        guard world.size > 1 else { return }
        for (round, length) in [600_000, 40_000, 3_000_000].enumerated() {
            let middle = 1 + round % (world.size - 1)
            let expected = expect.values.elements(UInt8.self, length, stream: round)
            var sends = world.requests()
            if world.rank == 0 {
                try sends.isend(expected.span, to: .rank(middle), tag: 1)
                usleep(20_000)
            } else if world.rank == middle {
                var theirs = Array(repeating: UInt8(0), count: length)
                try world.recv(into: theirs.mutableSpan, from: 0, tag: 1)
                expect.equalBytes(theirs, expected, "\(length) bytes to \(middle)")
                for peer in 1..<world.size where peer != middle {
                    try world.send(round, to: .rank(peer), tag: 2)
                }
            } else {
                let told = try world.recv(Int.self, from: .rank(middle), tag: 2)
                expect.equal(told, [round], "word from \(middle)")
            }
            let counts = Array(repeating: 100, count: world.size)
            let parts = Array(repeating: world.rank, count: 100 * world.size)
            let exchanged = try world.alltoallv(parts.span, counts: counts, recvCounts: counts)
            let wanted = (0..<world.size).flatMap { Array(repeating: $0, count: 100) }
            expect.equalBytes(exchanged.elements, wanted, "exchange \(round)")
            try sends.waitAll()
        }
    },
    Check("a message goes on while two other ranks wait for it in many short collectives") {
        world, expect in
        // Ranks 0 and 1 broadcast until rank last says that it has all of rank 0's message.
        guard world.size > 2 else { return }
        let last = world.size - 1
        let pair = try world.split(color: world.rank < 2 ? 0 : nil, key: 0)
        let expected = expect.values.elements(UInt8.self, 2_000_000, stream: 9)
        if world.rank == last {
            var theirs = Array(repeating: UInt8(0), count: expected.count)
            try world.recv(into: theirs.mutableSpan, from: 0, tag: 3)
            expect.equalBytes(theirs, expected, "the long message")
            try world.send(1, to: 1, tag: 4)
        }
        guard let pair else { return }
        var sends = world.requests()
        if world.rank == 0 { try sends.isend(expected.span, to: .rank(last), tag: 3) }
        var isThere = 0
        while isThere == 0 {
            if world.rank == 1, try world.iprobe(from: .rank(last), tag: 4) != nil {
                isThere = try world.recv(Int.self, from: .rank(last), tag: 4)[0]
            }
            isThere = try pair.bcast(isThere, root: 1)
        }
        try sends.waitAll()
    },
    Check("a nonblocking collective goes on while two ranks wait for its end in many short ones") {
        world, expect in
        // The collective of all ranks needs what ranks 0 and 1 do in theirs; who is slower of these
        // two finds its messages there always.
        guard world.size > 2 else { return }
        let last = world.size - 1
        let pair = try world.split(color: world.rank < 2 ? 0 : nil, key: 0)
        var sum = [0]
        let mine = [world.rank + 1]
        let summing = try world.iallreduce(mine.span, into: sum.mutableSpan, .sum)
        if world.rank == last {
            _ = try summing.wait()
            try world.send(1, to: 1, tag: 6)
        } else if let pair {
            var isThere = 0
            while isThere == 0 {
                if world.rank == 1, try world.iprobe(from: .rank(last), tag: 6) != nil {
                    isThere = try world.recv(Int.self, from: .rank(last), tag: 6)[0]
                }
                // Rank 0 works on: its messages are there before it asks.
                if world.rank == 0 { usleep(200) }
                isThere = try pair.bcast(isThere, root: 1)
            }
            _ = try summing.wait()
        } else {
            _ = try summing.wait()
        }
        expect.equal(sum, [world.size * (world.size + 1) / 2], "sum")
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
