// sendrecv: a send and a receive at once, without deadlock (MPI 4.1 §3.10).

import MessagePassing

let sendrecvChecks: [Check] = [
    Check("everyone shifts to the right, then to the left, at every length") { world, expect in
        for length in lengths {
            let sent = expect.values.elements(Int32.self, length, stream: world.rank)
            var received = Array(repeating: poison(Int32.self), count: length)
            let right = try world.sendrecv(
                sent.span, to: .rank(world.next), tag: 1, into: received.mutableSpan,
                from: .rank(world.previous), tag: 1)
            expect.equal(
                right, Status(source: world.previous, tag: 1, byteCount: 4 * length), "status")
            expect.equalBytes(
                received, expect.values.elements(length, stream: world.previous), "from the left")
            try world.sendrecv(
                sent.span, to: .rank(world.previous), tag: 2, into: received.mutableSpan,
                from: .rank(world.next), tag: 2)
            expect.equalBytes(
                received, expect.values.elements(length, stream: world.next), "from the right")
        }
    },
    Check("a line of ranks shifts with none at its ends") { world, expect in
        let isFirst = world.rank == 0
        let isLast = world.rank == world.size - 1
        var received = [-1]
        let status = try world.sendrecv(
            [world.rank].span, to: isLast ? .none : .rank(world.rank + 1),
            into: received.mutableSpan, from: isFirst ? .none : .rank(world.rank - 1))
        expect.equal(received, [isFirst ? -1 : world.rank - 1], "received")
        expect.equal(status.source, isFirst ? nil : world.rank - 1, "source")
        expect.equal(status.byteCount, isFirst ? 0 : 8, "length")
    },
    Check("the two directions may differ in type, tag and length") { world, expect in
        let peer = world.rank ^ 1
        if peer >= world.size { return }
        let isEven = world.rank.isMultiple(of: 2)
        if isEven {
            var received = [Double](repeating: 0, count: 5)
            let status = try world.sendrecv(
                [UInt8(1), 2, 3].span, to: .rank(peer), tag: 10, into: received.mutableSpan,
                from: .rank(peer), tag: 20)
            expect.equal(received, [1.5, 2.5, 0, 0, 0], "doubles")
            expect.equal(status.tag, 20, "tag")
        } else {
            var received = [UInt8](repeating: 0, count: 3)
            let status = try world.sendrecv(
                [1.5, 2.5].span, to: .rank(peer), tag: 20, into: received.mutableSpan,
                from: .any, tag: .any)
            expect.equal(received, [1, 2, 3], "bytes")
            expect.equal(status, Status(source: peer, tag: 10, byteCount: 3), "status")
        }
    },
    Check("sendrecv with oneself is a copy") { world, expect in
        for length in [1, 1000, 100_000] {
            let sent = expect.values.elements(UInt16.self, length, stream: world.rank)
            var received = Array(repeating: poison(UInt16.self), count: length)
            try world.sendrecv(
                sent.span, to: .rank(world.rank), into: received.mutableSpan,
                from: .rank(world.rank))
            expect.equalBytes(received, sent, "\(length) elements")
        }
    },
    Check("sendrecv reports truncation and ends its send") { world, expect in
        // Open MPI also misses a message to oneself that finds its receive posted.
        if world.size == 1 && !expect.backend.truncatesLongMessages { return }
        let length = expect.backend.truncatesLongMessages ? 5000 : 500
        let sent = expect.values.elements(UInt8.self, length, stream: world.rank)
        var short = [UInt8](repeating: 0, count: 10)
        expect.failing(.truncated, "\(length) bytes into 10") {
            try world.sendrecv(
                sent.span, to: .rank(world.next), into: short.mutableSpan,
                from: .rank(world.previous))
        }
        let back = try world.allreduce(1, .sum)
        expect.equal(back, world.size, "a collective afterwards")
    },
]
