// gather, gatherv, allgather, allgatherv (MPI 4.1 §6.5, §6.7).

import MessagePassing

/// Part lengths that differ, some of them zero: rank r of round k has ((r + k) · 3) mod 7 · unit.
func unevenCounts(_ size: Int, round: Int, unit: Int) -> [Int] {
    (0..<size).map { (($0 + round) * 3) % 7 * unit }
}

let gatherChecks: [Check] = [
    Check("gather collects equal parts in rank order, at every root") { world, expect in
        for root in 0..<world.size {
            for length in [0, 1, 7, 1000, 40_000] {
                let part = expect.values.elements(UInt8.self, length, stream: world.rank)
                let count = world.rank == root ? length * world.size : 0
                let whole: [UInt8] = try guarded(count, expect, "\(length) bytes at \(root)") {
                    whole in
                    try part.withUnsafeBytes { try world.gather($0, into: whole, root: root) }
                }
                if world.rank == root {
                    expect.equalBytes(
                        whole, allParts(world.size, length, expect), "\(length) bytes")
                }
            }
        }
    },
    Check("gather of one value per rank") { world, expect in
        for root in 0..<world.size {
            let all = try world.gather(world.rank * 11, root: root)
            expect.equal(
                all, world.rank == root ? (0..<world.size).map { $0 * 11 } : [], "values")
        }
    },
    Check("gatherv collects uneven and empty parts, counts given or learned") { world, expect in
        for root in 0..<world.size {
            for (round, unit) in [1, 100, 5000].enumerated() {
                let counts = unevenCounts(world.size, round: round, unit: unit)
                let part = expect.values.elements(
                    TwelveBytes.self, counts[world.rank], stream: world.rank)
                let expected = parts(counts, TwelveBytes.self, expect)
                let given = try world.gatherv(part.span, counts: counts, root: root)
                let learned = try world.gatherv(part.span, root: root)
                if world.rank == root {
                    expect.equal(given.counts, counts, "counts")
                    expect.equalBytes(given.elements, expected, "counts given")
                    expect.equal(learned.counts, counts, "learned counts")
                    expect.equalBytes(learned.elements, expected, "counts learned")
                } else {
                    expect.equal(learned.parts, 0, "parts elsewhere")
                }
            }
        }
    },
    Check("gatherv puts parts at their displacements and leaves the gaps") { world, expect in
        let counts = unevenCounts(world.size, round: 1, unit: 10)
        let partition = spread(counts)
        let part = expect.values.elements(Int32.self, counts[world.rank], stream: world.rank)
        for root in 0..<world.size {
            let count = world.rank == root ? partition.extent + 5 : 0
            let whole: [Int32] = try guarded(count, expect, "root \(root)") { whole in
                try part.withUnsafeBytes {
                    try world.gatherv(
                        $0, into: whole, partition: partition, elementSize: 4, root: root)
                }
            }
            if world.rank == root {
                expectPlaced(whole, partition, expect)
            }
        }
    },
    Check("allgather gives everyone all parts") { world, expect in
        for length in [0, 1, 7, 1000, 40_000] {
            let part = expect.values.elements(UInt8.self, length, stream: world.rank)
            let whole: [UInt8] = try guarded(length * world.size, expect, "\(length) bytes") {
                whole in
                try part.withUnsafeBytes { try world.allgather($0, into: whole) }
            }
            expect.equalBytes(whole, allParts(world.size, length, expect), "\(length) bytes")
        }
    },
    Check("allgather of one value, and of spans of every element type") { world, expect in
        expect.equal(try world.allgather(world.rank), Array(0..<world.size), "values")
        try allgather(Int16.self, world, expect)
        try allgather(Double.self, world, expect)
        try allgather(ThreeBytes.self, world, expect)
        try allgather(SixteenBytes.self, world, expect)
    },
    Check("allgatherv gives everyone uneven and empty parts, counts given or learned") {
        world, expect in
        for (round, unit) in [0, 1, 100, 5000].enumerated() {
            let counts = unevenCounts(world.size, round: round, unit: unit)
            let part = expect.values.elements(
                ThreeBytes.self, counts[world.rank], stream: world.rank)
            let expected = parts(counts, ThreeBytes.self, expect)
            let given = try world.allgatherv(part.span, counts: counts)
            let learned = try world.allgatherv(part.span)
            expect.equalBytes(given.elements, expected, "counts given")
            expect.equal(learned.counts, counts, "learned counts")
            expect.equalBytes(learned.elements, expected, "counts learned")
        }
    },
    Check("allgatherv puts parts at their displacements and leaves the gaps") { world, expect in
        let counts = unevenCounts(world.size, round: 2, unit: 10)
        let partition = spread(counts)
        let part = expect.values.elements(Int32.self, counts[world.rank], stream: world.rank)
        let whole: [Int32] = try guarded(partition.extent + 5, expect, "allgatherv") { whole in
            try part.withUnsafeBytes {
                try world.allgatherv($0, into: whole, partition: partition, elementSize: 4)
            }
        }
        expectPlaced(whole, partition, expect)
    },
]

/// Equal parts of all ranks, in order.
private func allParts(_ size: Int, _ length: Int, _ expect: Expectations) -> [UInt8] {
    (0..<size).flatMap { expect.values.elements(UInt8.self, length, stream: $0) }
}

/// Part r holds the first counts[r] elements of stream r.
func parts<Element: BitwiseCopyable>(
    _ counts: [Int], _ type: Element.Type, _ expect: Expectations
) -> [Element] {
    counts.indices.flatMap { expect.values.elements(type, counts[$0], stream: $0) }
}

/// The parts in reverse order with gaps of three elements between them.
func spread(_ counts: [Int]) -> Partition {
    var displacements = Array(repeating: 0, count: counts.count)
    var end = 2
    for part in counts.indices.reversed() {
        displacements[part] = end
        end += counts[part] + 3
    }
    return Partition(counts: counts, displacements: displacements)
}

/// Writes a part to its place; an empty part's place may lie outside the buffer.
func place(
    _ part: Int, of partition: Partition, in whole: inout [Int32], _ elements: [Int32]
) {
    if !elements.isEmpty { whole.replaceSubrange(partition[part], with: elements) }
}

/// Part r of `whole` is stream r, and everything else is poison.
func expectPlaced(_ whole: [Int32], _ partition: Partition, _ expect: Expectations) {
    var expected = Array(repeating: poison(Int32.self), count: whole.count)
    for part in 0..<partition.parts {
        place(
            part, of: partition, in: &expected,
            expect.values.elements(Int32.self, partition.counts[part], stream: part))
    }
    expect.equalBytes(whole, expected, "parts and gaps")
}

private func allgather<Element: BitwiseCopyable>(
    _ type: Element.Type, _ world: any Communicator, _ expect: Expectations
) throws {
    let part = expect.values.elements(type, 33, stream: world.rank)
    let whole = try world.allgather(part.span)
    expect.equalBytes(
        whole, parts(Array(repeating: 33, count: world.size), type, expect), "\(type)")
}
