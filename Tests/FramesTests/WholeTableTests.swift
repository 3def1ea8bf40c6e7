// Aggregates over all rows of all ranks that need them all at once: those of one rank, without
// bringing the rows together.
import MessagePassing
import Testing
import ThreadMPI

@testable import Frames

@Suite struct WholeTableTests {
    @Sendable private static func aggregates(_ frame: Frame, _ type: DataType) throws -> Frame {
        let value = col("c0")
        if !type.isNumeric && type != .bool {
            return try frame.aggregate(
                value.nUnique(), value.first(), value.last(), len(), col("c1").median())
        }
        return try frame.aggregate(
            value.median(), value.quantile(0).as("least"), value.quantile(0.3),
            value.quantile(1).as("most"), value.nUnique(), value.first(), value.last(),
            value.count(), (type == .uint64 ? value.count() : value.sum()).as("a sum"), value.std(),
            value.variance(), col("c1").median().as("m"))
    }

    private func check(_ input: Table, _ type: DataType, ranks: Int, _ what: String) throws {
        let expected = try Self.aggregates(Frame(input), type)
        let outcome = try Frames.run([input], ranks: ranks, seed: 8) {
            try Self.aggregates($0[0], type)
        }
        for frame in outcome.frames {
            #expect(frame.partitioning == .replicated || ranks == 1)
            for (name, pair) in zip(
                expected.schema.names, zip(frame.table.columns, expected.table.columns))
            {
                let (found, wanted) = (pair.0.cell(0), pair.1.cell(0))
                let comment: Comment = "\(name) of \(what), \(ranks) ranks: \(found), \(wanted)"
                if case .float(let bits) = found, case .float(let others) = wanted,
                    name.hasSuffix("std") || name.hasSuffix("variance") || name.hasSuffix("sum")
                {
                    let (a, b) = (Double(bitPattern: bits), Double(bitPattern: others))
                    #expect(
                        a == b || abs(a - b) <= 1e-12 * abs(b) || a.isNaN && b.isNaN, comment)
                } else {
                    #expect(found == wanted, comment)
                }
            }
        }
    }

    @Test(arguments: rankCounts)
    func `they are those of one rank, nulls and NaN included`(ranks: Int) throws {
        for (index, type) in DataType.allCases.enumerated() {
            for (count, distinct, nulls) in [(150, 60, 0.2), (40, 3, 0), (2, 9, 0.5), (0, 1, 0)] {
                var random = SeededRandom(seed: UInt64(100 * index + count))
                let input = random.table(
                    [type, .float64], count: count, distinct: distinct, nullShare: nulls)
                try check(input, type, ranks: ranks, "\(count) of \(type)")
            }
        }
        for values: [Double?] in [
            [nil, nil, nil], [.nan, nil, .nan], [-0.0, 0, -0.0, 0],
            [-.infinity, .infinity, 1, -1], [.leastNonzeroMagnitude, -.leastNonzeroMagnitude, 1.5],
            [.nan, 1, 2, .nan, 3],
        ] {
            let input: Table = ["c0": Column(values), "c1": Column(values)]
            try check(input, .float64, ranks: ranks, "\(values)")
        }
    }

    @Test func `an empty rank, a median and distinct values move no rows to rank 0`() throws {
        var random = SeededRandom(seed: 2)
        let values = (0..<200_000).map { _ in Int64.random(in: 0..<1000, using: &random) }
        let input: Table = ["c0": Column(values)]
        let outcome = try Frames.run([input], ranks: 4, seed: 3) {
            try $0[0].aggregate(col("c0").median(), col("c0").nUnique(), col("c0").last())
        }
        let sorted = values.sorted()
        #expect(
            outcome.frames[0].table.columns[0].cell(0)
                == .float(value: Double(sorted[99_999] + sorted[100_000]) / 2))
        #expect(
            outcome.frames[0].table.columns[1].cell(0) == .int(Int64(Set(values).count)))
        for frame in outcome.frames {
            let bytes = frame.statistics.reduce(0) { $0 + $1.bytesReceived }
            #expect(bytes < 400_000, "\(bytes) bytes")
            let exchanges = frame.statistics.reduce(0) { $0 + $1.exchanges }
            #expect(exchanges == 2 + 3 + 8, "\(exchanges) exchanges")
        }
    }
}
