// alltoall and alltoallv (MPI 4.1 §6.8): the shuffle.

import MessagePassing

/// What rank `from` sends rank `to`: a stream of their own.
private func stream(_ from: Int, _ to: Int) -> Int { 1000 * from + to }

/// How many elements rank `from` sends rank `to`: uneven, many of them zero.
private func count(_ from: Int, _ to: Int, _ unit: Int) -> Int {
    (from * 5 + to * 3) % 4 * unit
}

private func outgoing<Element: BitwiseCopyable>(
    _ type: Element.Type, _ rank: Int, _ counts: [Int], _ expect: Expectations
) -> [Element] {
    counts.indices.flatMap {
        expect.values.elements(type, counts[$0], stream: stream(rank, $0))
    }
}

private func incoming<Element: BitwiseCopyable>(
    _ type: Element.Type, _ rank: Int, _ counts: [Int], _ expect: Expectations
) -> [Element] {
    counts.indices.flatMap {
        expect.values.elements(type, counts[$0], stream: stream($0, rank))
    }
}

let alltoallChecks: [Check] = [
    Check("alltoall transposes the parts of all ranks") { world, expect in
        for length in [0, 1, 7, 1000, 30_000] {
            let counts = Array(repeating: length, count: world.size)
            let send = outgoing(UInt8.self, world.rank, counts, expect)
            let recv: [UInt8] = try guarded(length * world.size, expect, "\(length) bytes") {
                recv in
                try send.withUnsafeBytes { try world.alltoall($0, into: recv) }
            }
            expect.equalBytes(
                recv, incoming(UInt8.self, world.rank, counts, expect), "\(length) bytes")
        }
    },
    Check("alltoall of typed elements") { world, expect in
        let send = (0..<world.size).map { world.rank * 100 + $0 }
        expect.equal(
            try world.alltoall(send.span), (0..<world.size).map { $0 * 100 + world.rank }, "Int")
        let structs = outgoing(
            SixteenBytes.self, world.rank, Array(repeating: 9, count: world.size), expect)
        expect.equalBytes(
            try world.alltoall(structs.span),
            incoming(SixteenBytes.self, world.rank, Array(repeating: 9, count: world.size), expect),
            "16-byte structs")
    },
    Check("alltoallv exchanges uneven and empty parts, counts given or learned") {
        world, expect in
        try exchange(UInt8.self, world, expect)
        try exchange(Int.self, world, expect)
        try exchange(ThreeBytes.self, world, expect)
        try exchange(TwelveBytes.self, world, expect)
    },
    Check("alltoallv of nothing at all") { world, expect in
        let none = Array(repeating: 0, count: world.size)
        let nothing: [Double] = []
        let learned = try world.alltoallv(nothing.span, counts: none)
        let given = try world.alltoallv(nothing.span, counts: none, recvCounts: none)
        expect.equal(learned.counts, none, "learned counts")
        expect.equal(given.elements, [], "elements")
    },
    Check("alltoallv in which one rank alone sends, or receives") { world, expect in
        for chosen in 0..<world.size {
            let sends = (0..<world.size).map { world.rank == chosen ? 1000 + $0 : 0 }
            let out = outgoing(Int32.self, world.rank, sends, expect)
            let scattered = try world.alltoallv(out.span, counts: sends)
            expect.equalBytes(
                scattered.elements,
                expect.values.elements(
                    Int32.self, 1000 + world.rank, stream: stream(chosen, world.rank)),
                "only \(chosen) sends")
            let toOne = (0..<world.size).map { $0 == chosen ? 1000 + world.rank : 0 }
            let gathered = try world.alltoallv(
                outgoing(Int32.self, world.rank, toOne, expect).span, counts: toOne)
            let expectedCounts = (0..<world.size).map { world.rank == chosen ? 1000 + $0 : 0 }
            expect.equal(gathered.counts, expectedCounts, "counts")
            expect.equalBytes(
                gathered.elements, incoming(Int32.self, world.rank, expectedCounts, expect),
                "only \(chosen) receives")
        }
    },
    Check("alltoallv takes and puts parts at displacements and leaves the gaps") {
        world, expect in
        let sends = (0..<world.size).map { count(world.rank, $0, 50) }
        let recvs = (0..<world.size).map { count($0, world.rank, 50) }
        let from = spread(sends)
        let into = spread(recvs)
        var send = Array(repeating: poison(Int32.self), count: from.extent)
        for peer in 0..<world.size {
            place(
                peer, of: from, in: &send,
                expect.values.elements(
                    Int32.self, sends[peer], stream: stream(world.rank, peer)))
        }
        let recv: [Int32] = try guarded(into.extent + 5, expect, "alltoallv") { recv in
            try send.withUnsafeBytes {
                try world.alltoallv($0, from, into: recv, into, elementSize: 4)
            }
        }
        var expected = Array(repeating: poison(Int32.self), count: recv.count)
        for peer in 0..<world.size {
            place(
                peer, of: into, in: &expected,
                expect.values.elements(
                    Int32.self, recvs[peer], stream: stream(peer, world.rank)))
        }
        expect.equalBytes(recv, expected, "parts and gaps")
    },
    Check("many exchanges in a row do not mix") { world, expect in
        for round in 0..<100 {
            let sends = (0..<world.size).map { (world.rank + $0 + round) % 3 }
            let elements = Array(repeating: world.rank * 1000 + round, count: sends.reduce(0, +))
            let received = try world.alltoallv(elements.span, counts: sends)
            for source in 0..<world.size {
                expect.equal(
                    Array(received[source]),
                    Array(
                        repeating: source * 1000 + round,
                        count: (world.rank + source + round) % 3),
                    "round \(round), from \(source)")
            }
        }
    },
]

private func exchange<Element: BitwiseCopyable>(
    _ type: Element.Type, _ world: any Communicator, _ expect: Expectations
) throws {
    for unit in [1, 100, 6000] {
        let sends = (0..<world.size).map { count(world.rank, $0, unit) }
        let recvs = (0..<world.size).map { count($0, world.rank, unit) }
        let send = outgoing(type, world.rank, sends, expect)
        let expected = incoming(type, world.rank, recvs, expect)
        let given = try world.alltoallv(send.span, counts: sends, recvCounts: recvs)
        let learned = try world.alltoallv(send.span, counts: sends)
        expect.equalBytes(given.elements, expected, "\(type), counts given")
        expect.equal(learned.counts, recvs, "\(type), learned counts")
        expect.equalBytes(learned.elements, expected, "\(type), counts learned")
    }
}
