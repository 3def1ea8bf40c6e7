// Messages far beyond every buffer on their way.

import MessagePassing

/// 64 MiB.
private let largeCount = 8 << 20

let largeMessageChecks: [Check] = [
    Check("64 MiB travel both ways between two ranks at once") { world, expect in
        let last = world.size - 1
        let peer = world.rank == 0 ? last : 0
        guard world.rank == 0 || world.rank == last else { return }
        let sent = largeElements(world.rank)
        var received = Array(repeating: UInt64(0), count: largeCount)
        let status = try world.sendrecv(
            sent.span, to: .rank(peer), into: received.mutableSpan, from: .rank(peer))
        expect.equal(status.byteCount, 64 << 20, "length")
        expect.equalBytes(received, largeElements(peer), "elements")
    },
    Check("64 MiB sent before the receive is posted arrive, too") { world, expect in
        let last = world.size - 1
        if world.rank == 0 {
            let sent = largeElements(7)
            let send = try world.isend(sent.span, to: .rank(last), tag: 1)
            if last == 0 { try receiveLarge(world, expect) }
            try send.wait()
        } else if world.rank == last {
            try receiveLarge(world, expect)
        }
    },
    Check("every rank sends every rank a megabyte, twice") { world, expect in
        let count = 1 << 17
        for round in 0..<2 {
            let sent = (0..<world.size).flatMap {
                expect.values.elements(
                    UInt64.self, count, stream: 100 * world.rank + $0 + 10_000 * round)
            }
            let received = try world.alltoall(sent.span)
            for source in 0..<world.size {
                expect.equalBytes(
                    Array(received[source * count..<(source + 1) * count]),
                    expect.values.elements(
                        count, stream: 100 * source + world.rank + 10_000 * round),
                    "round \(round), from \(source)")
            }
        }
    },
    Check("bcast and allreduce of 8 MiB") { world, expect in
        let count = 1 << 20
        let expected = expect.values.elements(Int.self, count, stream: 3)
        var elements = world.rank == 0 ? expected : Array(repeating: 0, count: count)
        try world.bcast(elements.mutableSpan, root: 0)
        expect.equalBytes(elements, expected, "bcast")
        try world.allreduce(inPlace: elements.mutableSpan, .sum)
        expect.equalBytes(elements, expected.map { $0 &* world.size }, "allreduce")
    },
]

private func largeElements(_ stream: Int) -> [UInt64] {
    let start = UInt64(stream + 1) << 32
    return (0..<UInt64(largeCount)).map { start &+ $0 &* 0x9E37_79B9 }
}

private func receiveLarge(_ world: any Communicator, _ expect: Expectations) throws {
    let status = try world.probe(from: 0, tag: 1)
    expect.equal(status.byteCount, 64 << 20, "probed length")
    let received = try world.recv(UInt64.self, from: 0, tag: 1)
    expect.equalBytes(received, largeElements(7), "elements")
}
