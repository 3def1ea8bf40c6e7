// Wrong arguments: an error on the caller, before anything is sent, and no harm to the others.

import MessagePassing

let argumentChecks: [Check] = [
    Check("ranks that do not exist are refused") { world, expect in
        var buffer = [0]
        for rank in [world.size, -3, Int.max, Int.min] {
            expect.failing(.invalidArgument, "send to \(rank)") {
                try world.send(1, to: .rank(rank))
            }
            expect.failing(.invalidArgument, "isend to \(rank)") {
                try world.isend([1].span, to: .rank(rank)).wait()
            }
            expect.failing(.invalidArgument, "recv from \(rank)") {
                try world.recv(into: buffer.mutableSpan, from: .rank(rank))
            }
            expect.failing(.invalidArgument, "probe from \(rank)") {
                _ = try world.probe(from: .rank(rank), tag: 0)
            }
            expect.failing(.invalidArgument, "iprobe from \(rank)") {
                _ = try world.iprobe(from: .rank(rank), tag: 0)
            }
            expect.failing(.invalidArgument, "improbe from \(rank)") {
                if try world.improbe(from: .rank(rank), tag: 0) != nil { expect.fail("claimed") }
            }
            expect.failing(.invalidArgument, "sendrecv to \(rank)") {
                try world.sendrecv(
                    [1].span, to: .rank(rank), into: buffer.mutableSpan, from: .any)
            }
        }
        expect.failing(.invalidArgument, "send to any") { try world.send(1, to: -1) }
        try expectUnharmed(world, expect)
    },
    Check("tags that do not exist are refused") { world, expect in
        var buffer = [0]
        expect.failing(.invalidArgument, "send with any tag") {
            try world.send(1, to: 0, tag: .any)
        }
        expect.failing(.invalidArgument, "isend with tag -5") {
            try world.isend([1].span, to: 0, tag: -5).wait()
        }
        expect.failing(.invalidArgument, "recv with tag -5") {
            try world.recv(into: buffer.mutableSpan, from: 0, tag: -5)
        }
        expect.failing(.invalidArgument, "probe with tag -2") {
            _ = try world.probe(from: .any, tag: -2)
        }
        try expectUnharmed(world, expect)
    },
    Check("a wrong call on one rank alone disturbs nobody") { world, expect in
        if world.rank == world.size - 1 {
            expect.failing(.invalidArgument, "send") { try world.send(1, to: .rank(world.size)) }
            expect.failing(.invalidArgument, "bcast") {
                _ = try world.bcast(1, root: world.size)
            }
        }
        try expectUnharmed(world, expect)
    },
    Check("roots that do not exist are refused") { world, expect in
        var buffer = [0]
        for root in [-1, world.size] {
            expect.failing(.invalidArgument, "bcast") { _ = try world.bcast(1, root: root) }
            expect.failing(.invalidArgument, "gather") { _ = try world.gather(1, root: root) }
            expect.failing(.invalidArgument, "gatherv") {
                _ = try world.gatherv([1].span, root: root)
            }
            expect.failing(.invalidArgument, "scatter") { _ = try world.scatter([1], root: root) }
            expect.failing(.invalidArgument, "scatterv") {
                _ = try world.scatterv([1].span, counts: [1], root: root)
            }
            expect.failing(.invalidArgument, "reduce") {
                try world.reduce([1].span, into: buffer.mutableSpan, .sum, root: root)
            }
            expect.failing(.invalidArgument, "reduce with a closure") {
                _ = try world.reduce(Word(0), Word.concatenation, root: root)
            }
        }
        try expectUnharmed(world, expect)
    },
    Check("buffers of the wrong length are refused") { world, expect in
        let size = world.size
        let part = [1, 2]
        var whole = Array(repeating: 0, count: 2 * size + 1)
        expect.failing(.invalidArgument, "allgather") {
            try world.allgather(part.span, into: whole.mutableSpan)
        }
        expect.failing(.invalidArgument, "gather") {
            try world.gather(part.span, into: whole.mutableSpan, root: world.rank)
        }
        expect.failing(.invalidArgument, "scatter") {
            var one = [0, 0]
            try world.scatter(whole.span, into: one.mutableSpan, root: world.rank)
        }
        expect.failing(.invalidArgument, "alltoall") {
            let send = Array(repeating: 0, count: 2 * size)
            try world.alltoall(send.span, into: whole.mutableSpan)
        }
        expect.failing(.invalidArgument, "allreduce") {
            try world.allreduce(part.span, into: whole.mutableSpan, .sum)
        }
        expect.failing(.invalidArgument, "scan") {
            try world.scan(part.span, into: whole.mutableSpan, .sum)
        }
        try expectUnharmed(world, expect)
    },
    Check("counts and partitions that do not fit are refused") { world, expect in
        let size = world.size
        let elements = Array(repeating: 1, count: size)
        let ones = Array(repeating: 1, count: size)
        expect.failing(.invalidArgument, "alltoallv with a count too many") {
            _ = try world.alltoallv(elements.span, counts: ones + [0])
        }
        expect.failing(.invalidArgument, "alltoallv with counts beyond the buffer") {
            _ = try world.alltoallv(elements.span, counts: ones.map { $0 + 1 })
        }
        expect.failing(.invalidArgument, "alltoallv with a negative count") {
            var counts = ones
            counts[0] = -1
            _ = try world.alltoallv(elements.span, counts: counts)
        }
        expect.failing(.invalidArgument, "alltoallv with receive counts too few") {
            _ = try world.alltoallv(elements.span, counts: ones, recvCounts: [])
        }
        expect.failing(.invalidArgument, "alltoallv beyond the receive buffer") {
            var short = Array(repeating: 0, count: size)
            try world.alltoallv(
                elements.span, Partition(counts: ones), into: short.mutableSpan,
                Partition(count: 2, parts: size))
        }
        expect.failing(.invalidArgument, "alltoallv with negative displacements") {
            var room = Array(repeating: 0, count: size)
            try world.alltoallv(
                elements.span, Partition(counts: ones), into: room.mutableSpan,
                Partition(counts: ones, displacements: ones.map { _ in -1 }))
        }
        expect.failing(.invalidArgument, "allgatherv with a part too many") {
            _ = try world.allgatherv([1].span, counts: ones + [1])
        }
        expect.failing(.invalidArgument, "allgatherv with another count for this rank") {
            _ = try world.allgatherv([1, 2].span, counts: ones)
        }
        expect.failing(.invalidArgument, "gatherv with a part too many") {
            _ = try world.gatherv([1].span, counts: ones + [1], root: world.rank)
        }
        expect.failing(.invalidArgument, "scatterv beyond the buffer") {
            var part = [0, 0]
            try world.scatterv(
                elements.span, partition: Partition(count: 2, parts: size),
                into: part.mutableSpan, root: world.rank)
        }
        try expectUnharmed(world, expect)
    },
    Check("an error is one line that names the operation") { world, expect in
        do {
            try world.send(1, to: .rank(world.size + 5))
            expect.fail("no error")
        } catch {
            let text = "\(error)"
            expect(text.contains("send") && !text.contains("\n"), text)
            expect(text.contains("\(world.size + 5)"), "does not name the rank: \(text)")
        }
    },
]

/// Everything still works, and no message of a refused call is about.
private func expectUnharmed(_ world: any Communicator, _ expect: Expectations) throws {
    expect.equal(try world.allreduce(world.rank, .sum), (0..<world.size).reduce(0, +), "allreduce")
    let send = try world.isend([world.rank].span, to: .rank(world.next))
    let received = try world.recv(Int.self, from: .any, tag: .any)
    try send.wait()
    expect.equal(received, [world.previous], "a message afterwards")
    try world.barrier()
}
