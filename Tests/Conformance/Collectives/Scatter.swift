// scatter and scatterv (MPI 4.1 §6.6).

import MessagePassing

let scatterChecks: [Check] = [
    Check("scatter hands every rank its part, from every root") { world, expect in
        for root in 0..<world.size {
            for length in [0, 1, 7, 1000, 40_000] {
                let isRoot = world.rank == root
                let whole =
                    isRoot
                    ? parts(
                        Array(repeating: length, count: world.size), UInt8.self, expect)
                    : []
                let part: [UInt8] = try guarded(length, expect, "\(length) bytes from \(root)") {
                    part in
                    try whole.withUnsafeBytes { try world.scatter($0, into: part, root: root) }
                }
                expect.equalBytes(
                    part, expect.values.elements(length, stream: world.rank),
                    "\(length) bytes from \(root)")
            }
        }
    },
    Check("scatter of one value per rank") { world, expect in
        for root in 0..<world.size {
            let values = world.rank == root ? (0..<world.size).map { $0 * $0 } : []
            expect.equal(
                try world.scatter(values, root: root), world.rank * world.rank, "from \(root)")
        }
    },
    Check("scatterv hands out uneven and empty parts") { world, expect in
        for root in 0..<world.size {
            for (round, unit) in [1, 100, 5000].enumerated() {
                let counts = unevenCounts(world.size, round: round, unit: unit)
                let isRoot = world.rank == root
                let whole = isRoot ? parts(counts, TwelveBytes.self, expect) : []
                let part = try world.scatterv(
                    whole.span, counts: isRoot ? counts : [], root: root)
                expect.equalBytes(
                    part,
                    expect.values.elements(
                        TwelveBytes.self, counts[world.rank], stream: world.rank),
                    "from \(root)")
            }
        }
    },
    Check("scatterv takes parts from their displacements") { world, expect in
        let counts = unevenCounts(world.size, round: 1, unit: 10)
        let partition = spread(counts)
        for root in 0..<world.size {
            var whole: [Int32] = []
            if world.rank == root {
                whole = Array(repeating: poison(), count: partition.extent)
                for part in 0..<world.size {
                    place(
                        part, of: partition, in: &whole,
                        expect.values.elements(Int32.self, counts[part], stream: part))
                }
            }
            let part: [Int32] = try guarded(counts[world.rank], expect, "from \(root)") { part in
                try whole.withUnsafeBytes {
                    try world.scatterv(
                        $0, partition: partition, into: part, elementSize: 4, root: root)
                }
            }
            expect.equalBytes(
                part, expect.values.elements(counts[world.rank], stream: world.rank),
                "from \(root)")
        }
    },
]
