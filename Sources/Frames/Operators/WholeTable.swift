// Aggregates over all rows that need all of them at once, without bringing them to one rank: first and
// last rows, deviations in two passes, distinct values by hash, quantiles by counting.

import MessagePassing

extension StepRun {
    /// All rows as one group; one row on every rank. Collective unless replicated.
    ///
    /// Cost: two exchanges of a row per pair of ranks for sums and means, as many for each of first
    /// and last rows and for deviations; a shuffle of the different values per `nUnique`; and for all
    /// quantiles together one exchange and seven allreduces of at most 32 KiB per quantile.
    /// - Parameter raw: an operand per aggregate, under the name of its number.
    func wholeTable(
        _ raw: Table, _ input: Rows, _ aggregates: [Aggregate], _ sums: [Int]
    ) throws(FrameError) -> Rows {
        guard size > 1, input.partitioning != .replicated else {
            if mayOverflow, let failure = overflow(raw, keyCount: 0, sums) { throw failure }
            return Rows(table: grouped(raw, keyCount: 0, aggregates), partitioning: .replicated)
        }
        var results = [Column?](repeating: nil, count: aggregates.count)
        let rows = Rows(table: raw, partitioning: .unknown)
        func operand(_ index: Int) -> Expression { col(raw.schema.names[index]) }
        func set(_ columns: [Column], _ indices: [Int]) {
            for (column, index) in zip(columns, indices) { results[index] = column }
        }
        func indices(_ isWanted: (Aggregate.Function) -> Bool) -> [Int] {
            aggregates.indices.filter { isWanted(aggregates[$0].function) }
        }
        let mergeable = indices { !$0.isHolistic }
        if !mergeable.isEmpty {
            let parts = mergeable.map { Aggregate(aggregates[$0].function, operand($0)) }
            set(try values(rows, parts), mergeable)
        }
        for (function, take) in [
            (Aggregate.Function.first, { (table: Table) in table.slice(0..<1) }),
            (.last, { (table: Table) in table.slice(table.rowCount - 1..<table.rowCount) }),
        ] {
            let wanted = indices { $0 == function }
            if wanted.isEmpty { continue }
            let own = try Self.columns(raw, wanted, named: node.name)
            let ends = try gatherEverywhere(own.rowCount == 0 ? own : take(own))
            let end = take(Kernels.concat(ends + [Self.nulls(like: own, unless: ends)]))
            set(end.columns, wanted)
        }
        let spreads = indices { $0 == .variance || $0 == .std }
        if !spreads.isEmpty { set(try deviations(rows, spreads, aggregates), spreads) }
        let distinct = indices { $0 == .nUnique }
        if !distinct.isEmpty {
            let counts = try distinctCounts(raw, distinct)
            set(counts.map { Column([$0]) }, distinct)
        }
        let shares = aggregates.map(\.function.share)
        let quantiles = aggregates.indices.filter { shares[$0] != nil }
        if !quantiles.isEmpty {
            let found = try self.quantiles(
                quantiles.map { (raw.columns[$0], shares[$0] ?? 0) })
            set(found.map { Column([$0]) }, quantiles)
        }
        return Rows(
            table: Table(schema: node.schema, columns: results.compactMap(\.self), rowCount: 1),
            partitioning: .replicated)
    }

    private static func columns(
        _ table: Table, _ indices: [Int], named operation: String
    ) throws(FrameError) -> Table {
        Table(
            schema: try Schema(indices.map { table.schema.fields[$0] }, operation: operation),
            columns: indices.map { table.columns[$0] }, rowCount: table.rowCount)
    }

    /// A row of nulls if there is no other.
    private static func nulls(like table: Table, unless pieces: [Table]) -> Table {
        let isMissing = pieces.allSatisfy { $0.rowCount == 0 }
        return Kernels.gather(Table(emptyWith: table.schema), RowIndices(isMissing ? [-1] : []))
    }

    /// In two passes: squares of distances from the mean do not cancel.
    private func deviations(
        _ rows: Rows, _ indices: [Int], _ aggregates: [Aggregate]
    ) throws(FrameError) -> [Column] {
        let numbers = indices.map { col(rows.table.schema.names[$0]).cast(.float64) }
        let first = try values(rows, numbers.flatMap { [$0.count(), $0.mean()] })
        let squares = numbers.enumerated().map { position, number in
            let distance = number - lit(first[2 * position + 1].float64(at: 0) ?? 0)
            return (distance * distance).sum()
        }
        let sums = try values(rows, squares)
        return indices.enumerated().map { position, index in
            let count = first[2 * position].int64(at: 0) ?? 0
            guard count > 1, let sum = sums[position].float64(at: 0) else {
                return Column([nil] as [Double?])
            }
            let variance = sum / Double(count - 1)
            return Column([
                aggregates[index].function == .std ? variance.squareRoot() : variance
            ])
        }
    }

    /// Each different value to the rank of its hash, where it is counted once.
    private func distinctCounts(_ raw: Table, _ indices: [Int]) throws(FrameError) -> [Int64] {
        var counts: [Int64] = []
        for index in indices {
            let own = Kernels.unique(
                try Self.columns(raw, [index], named: node.name), keys: [0])
            let pieces = try shuffle(own, by: own.schema.names)
            counts.append(
                Int64(Kernels.uniqueRows(Kernels.concat(pieces), keys: [0]).count))
        }
        return try sumOverRanks(counts)
    }

    /// Sums of each rank's numbers, on all ranks. Collective: one allreduce.
    func sumOverRanks(_ numbers: [Int64]) throws(FrameError) -> [Int64] {
        let bytes = numbers.count * 8
        return try communicate(sent: bytes, received: bytes) { (world) throws(MPIError) in
            try world.allreduce(numbers.span, .sum)
        }
    }
}

extension Aggregate.Function {
    /// Of a quantile: the share of values below it.
    fileprivate var share: Double? {
        switch self {
        case .median: 0.5
        case .quantile(let share): share
        default: nil
        }
    }
}
