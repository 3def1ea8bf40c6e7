// Frames on ranks that are threads, and the same verbs done row by row: the two sides of the
// differential tests of distributed operators.
import MessagePassing
import Synchronization
import Testing
import ThreadMPI

@testable import Frames

/// The numbers of ranks everything is tested on.
let rankCounts = [1, 2, 3, 4, 5]

/// What the ranks of a run ended with.
struct Outcome {
    /// By rank.
    let frames: [Frame]
    let traffic: ThreadMPI.Traffic

    /// All rows, in the order of ranks.
    var rows: [[Cell]] { frames.flatMap { Frames.rows(of: $0) } }
    var rowCounts: [Int] { frames.map(\.table.rowCount) }
    /// Calls of the communicator by the last verb.
    var exchanges: [Int] { frames.map { $0.statistics.reduce(0) { $0 + $1.exchanges } } }
}

enum Frames {
    static func costs(latencySeconds: Double) -> ChannelCosts {
        ChannelCosts(
            channel: .direct, latencySeconds: latencySeconds, bytesPerSecond: 400e6, origin: "test")
    }

    static func rows(of frame: Frame) -> [[Cell]] {
        (0..<frame.table.rowCount).map { row in frame.table.columns.map { $0.cell(row) } }
    }

    /// Cuts each table into a part per rank, at random places, and runs `body` on all ranks.
    /// - Parameters:
    ///   - roundBytes: forces shuffles into many rounds.
    ///   - costs: without latency, so that small tables are joined as large ones are.
    static func run(
        _ tables: [Table], ranks: Int, seed: UInt64, roundBytes: Int = 1 << 30,
        costs: ChannelCosts = Frames.costs(latencySeconds: 0),
        _ body: @escaping @Sendable ([Frame]) throws -> Frame
    ) throws -> Outcome {
        var random = SeededRandom(seed: seed)
        let parts = tables.map { table in
            let cuts = (1..<ranks).map { _ in Int.random(in: 0...table.rowCount, using: &random) }
            let ends = [0] + cuts.sorted() + [table.rowCount]
            return zip(ends, ends.dropFirst()).map { table.slice($0..<$1) }
        }
        let results = Mutex<[Int: Frame]>([:])
        let traffic = try ThreadMPI.run(size: ranks, timeout: .seconds(60)) { world in
            let frames = parts.map { Frame($0[world.rank], on: world) }
            let frame = try ExchangeLimits.$roundBytes.withValue(roundBytes) {
                try JoinCosts.$assumed.withValue(costs) { try body(frames) }
            }
            results.withLock { $0[world.rank] = frame }
        }
        let frames = results.withLock { results in (0..<ranks).compactMap { results[$0] } }
        try #require(frames.count == ranks, "a frame from each of \(ranks) ranks")
        return Outcome(frames: frames, traffic: traffic)
    }

    /// The errors of a run that must fail, by rank.
    static func errors(
        _ tables: [Table], ranks: Int, _ body: @escaping @Sendable ([Frame]) throws -> Frame
    ) throws -> [FrameError] {
        let errors = Mutex<[Int: FrameError]>([:])
        _ = try run(tables, ranks: ranks, seed: 1) { frames in
            do {
                _ = try body(frames)
            } catch let error as FrameError {
                errors.withLock { $0[frames[0].communicator.rank] = error }
            }
            return frames[0]
        }
        return errors.withLock { errors in (0..<ranks).compactMap { errors[$0] } }
    }
}

/// Verbs done naively on rows of cells.
enum Naive {
    static func rows(_ table: Table) -> [[Cell]] {
        (0..<table.rowCount).map { row in table.columns.map { $0.cell(row) } }
    }

    /// - Parameter keys: positions of keys, left and right.
    static func join(
        _ left: Table, _ right: Table, _ keys: [(Int, Int)], _ kind: JoinKind
    ) -> [[Cell]] {
        let others = right.columns.indices.filter { index in !keys.contains { $0.1 == index } }
        var partners: [[Cell]: [[Cell]]] = [:]
        for row in rows(right) {
            partners[keys.map { row[$0.1] }, default: []].append(others.map { row[$0] })
        }
        return rows(left).flatMap { row -> [[Cell]] in
            let key = keys.map { row[$0.0] }
            let found = key.contains(.null) ? [] : partners[key, default: []]
            if found.isEmpty && kind == .left { return [row + others.map { _ in .null }] }
            return found.map { row + $0 }
        }
    }

    /// Keys, then count, sum, min and max of an int64 column, and len.
    static func group(_ table: Table, _ keys: [Int], of column: Int) -> [[Cell]] {
        let groups = Dictionary(grouping: rows(table)) { row in keys.map { row[$0] } }
        return groups.map { key, rows in
            let values = rows.compactMap { row -> Int64? in
                if case .int(let value) = row[column] { value } else { nil }
            }
            return key + [
                .int(Int64(values.count)), .int(values.reduce(0, &+)),
                values.min().map { .int($0) } ?? .null, values.max().map { .int($0) } ?? .null,
                .int(Int64(rows.count)),
            ]
        }
    }

    static func unique(_ table: Table, _ keys: [Int]) -> [[Cell]] {
        var seen: Set<[Cell]> = []
        return rows(table).filter { row in seen.insert(keys.map { row[$0] }).inserted }
    }

    static func sort(_ table: Table, _ keys: [(column: Int, key: SortKey)]) -> [[Cell]] {
        let all = rows(table)
        let order = all.indices.sorted { first, second in
            for (column, key) in keys {
                let (a, b) = (all[first][column], all[second][column])
                if a == b { continue }
                if a == .null || b == .null { return (a == .null) == (key.nulls == .first) }
                if a.isNaN || b.isNaN { return b.isNaN }
                return Cell.isLess(a, b) != key.descending
            }
            return first < second
        }
        return order.map { all[$0] }
    }
}

extension Cell {
    fileprivate var isNaN: Bool { self == .float(value: .nan) }
}
