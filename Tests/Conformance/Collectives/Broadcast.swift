// barrier and bcast (MPI 4.1 §6.3, §6.4).

import MessagePassing

let broadcastChecks: [Check] = [
    Check("nobody leaves a barrier before everybody has entered it") { world, expect in
        // Each rank in turn enters last, after telling the others that it is about to.
        for late in 0..<world.size {
            if world.rank == late {
                for peer in 0..<world.size where peer != late {
                    try world.send(late, to: .rank(peer), tag: 1)
                }
            }
            try world.barrier()
            if world.rank != late {
                let told = try world.recv(Int.self, from: .rank(late), tag: 1)
                expect.equal(told, [late], "the late rank's word")
            }
        }
        for _ in 0..<100 { try world.barrier() }
    },
    Check("bcast brings the root's elements to all, from every root, at every length") {
        world, expect in
        for root in 0..<world.size {
            for length in lengths {
                let expected = expect.values.elements(UInt8.self, length, stream: root)
                let mine = world.rank == root ? expected : Array(repeating: 0, count: length)
                let received = try guarded(mine, expect, "\(length) bytes from \(root)") {
                    try world.bcast($0, root: root)
                }
                expect.equalBytes(received, expected, "\(length) bytes from \(root)")
            }
        }
    },
    Check("bcast carries every element type") { world, expect in
        try broadcast(Int16.self, world, expect)
        try broadcast(Float.self, world, expect)
        try broadcast(Double.self, world, expect)
        try broadcast(ThreeBytes.self, world, expect)
        try broadcast(TwelveBytes.self, world, expect)
        try broadcast(SixteenBytes.self, world, expect)
    },
    Check("bcast of one value, and of an array whose length only the root knows") {
        world, expect in
        for root in 0..<world.size {
            let value = try world.bcast(world.rank == root ? 42.5 : 0, root: root)
            expect.equal(value, 42.5, "value")
            for length in [0, 1, 1000] {
                let expected = expect.values.elements(Int.self, length, stream: root)
                let mine = world.rank == root ? expected : [9]
                let received = try world.bcast(array: mine, root: root)
                expect.equalBytes(received, expected, "array of \(length)")
            }
        }
    },
    Check("many broadcasts in a row do not mix") { world, expect in
        for round in 0..<200 {
            let value = try world.bcast(
                world.rank == round % world.size ? round : -1, root: round % world.size)
            expect.equal(value, round, "round \(round)")
        }
    },
]

private func broadcast<Element: BitwiseCopyable>(
    _ type: Element.Type, _ world: any Communicator, _ expect: Expectations
) throws {
    let root = world.size - 1
    let expected = expect.values.elements(type, 1234, stream: 5)
    var elements = world.rank == root ? expected : Array(repeating: poison(), count: 1234)
    try world.bcast(elements.mutableSpan, root: root)
    expect.equalBytes(elements, expected, "\(type)")
}
