// Sample sort: ranks agree on splitters, send each row to the rank between whose splitters it
// falls, and sort what they get. Rows with equal keys count as ordered by where they were, so that
// the sort is stable, and ranks are balanced, whatever repeats.

import MessagePassing

extension StepRun {
    func sort(_ input: Rows, _ keys: [SortKey]) throws(FrameError) -> Rows {
        if case .range(let known) = input.partitioning, known.starts(with: keys) { return input }
        let schema = input.table.schema
        let order = zip(keys, schema.indices(of: keys.map(\.column))).map { key, index in
            ColumnOrder(
                column: index, descending: key.descending, nullsFirst: key.nulls == .first)
        }
        guard size > 1, input.partitioning != .replicated else {
            let isReplicated = input.partitioning == .replicated
            return Rows(
                table: Kernels.sort([input.table], by: order),
                partitioning: isReplicated ? .replicated : .range(keys))
        }
        let pieces = try moved(input.table, order)
        return Rows(table: Kernels.sort(consume pieces, by: order), partitioning: .range(keys))
    }

    /// Each row on the rank between whose splitters it falls, in the order of ranks before.
    private func moved(_ table: Table, _ order: [ColumnOrder]) throws(FrameError) -> [Table] {
        let splitters = try splitters(for: table, order)
        let rankCount = size
        let position = SamplePosition(rank: rank)
        var firstRow = 0
        return try scatter(table) { part in
            defer { firstRow += part.rowCount }
            let rows = SplitterSearch(part, splitters, order)
            let first = firstRow
            return rows.destinations(rankCount: rankCount) { position.ofRow(first + $0) }
        }
    }

    /// size − 1 rows that divide all rows into equal shares, about: the same on every rank.
    ///
    /// Each rank samples its rows at regular distances; a sample weighs as many rows as it stands
    /// for. The share of a rank is off by about 1/√(samples) of itself.
    private func splitters(
        for table: Table, _ order: [ColumnOrder]
    ) throws(FrameError) -> Splitters {
        let sampleCount = min(table.rowCount, Self.samplesPerRank)
        let rows = (0..<sampleCount).map { $0 * table.rowCount / max(sampleCount, 1) }
        let weight = Double(table.rowCount) / Double(max(sampleCount, 1))
        let position = SamplePosition(rank: rank)
        var fields: [Field] = []
        for key in order.indices {
            fields.append(Field("key \(key)", table.schema.fields[order[key].column].type))
        }
        fields += [Field("position", .int64), Field("weight", .float64)]
        let indices = RowIndices(rows)
        let sample = Table(
            schema: try Schema(fields, operation: node.name),
            columns: order.map { Kernels.gather(table.columns[$0.column], indices) }
                + [
                    Column(rows.map { position.ofRow($0) }),
                    Literal.float64(weight).column(count: sampleCount),
                ],
            rowCount: sampleCount)
        let all = try gatherEverywhere(sample)
        // Samples come in the order of positions, and the sort is stable.
        let keyOrder = order.enumerated().map { index, key in
            ColumnOrder(column: index, descending: key.descending, nullsFirst: key.nullsFirst)
        }
        let ascending = Kernels.sort(all, by: keyOrder)
        return Splitters(ascending, keyCount: order.count, rankCount: size)
    }

    private static let samplesPerRank = 1024
}

/// A row's place in the order of all rows before a sort, as one number.
struct SamplePosition {
    let rank: Int
    func ofRow(_ row: Int) -> Int64 { Int64(rank) << 40 | Int64(row) }
}

/// The rows that divide a sort's result among ranks.
struct Splitters {
    /// Key columns, in the order of keys.
    let keys: Table
    /// Where each was.
    let positions: [Int64]
    var count: Int { positions.count }

    /// - Parameter sample: sorted; keys, position, weight.
    init(_ sample: Table, keyCount: Int, rankCount: Int) {
        let weights = sample.columns[keyCount + 1].float64s.map { $0 ?? 0 }
        let share = weights.reduce(0, +) / Double(rankCount)
        var rows: [Int] = []
        var weight = 0.0
        for (row, own) in weights.enumerated() {
            if rows.count < rankCount - 1, weight >= share * Double(rows.count + 1) {
                rows.append(row)
            }
            weight += own
        }
        let chosen = RowIndices(rows)
        keys = Kernels.gather(sample, chosen)
        positions = rows.map { sample.columns[keyCount].int64(at: $0) ?? 0 }
    }
}
