// Verbs that know a row by its number among all rows: slices, samples, row numbers. Ranks tell each
// other how many rows they have, and rows stay where they are.

import MessagePassing

extension StepRun {
    /// Rows of all ranks before this one's, and of all ranks. Collective unless replicated.
    private func rowCounts(_ input: Rows) throws(FrameError) -> (before: Int, total: Int) {
        let own = input.table.rowCount
        guard size > 1, input.partitioning != .replicated else { return (0, own) }
        var header = header()
        header.rowCount = own
        let counts = try open(header).map(\.rowCount)
        return (counts.prefix(rank).reduce(0, +), counts.reduce(0, +))
    }

    func slice(_ input: Rows, _ start: Int, _ count: Int?) throws(FrameError) -> Rows {
        let (before, total) = try rowCounts(input)
        let start = max(start, -Int.max)
        let first = start >= 0 ? min(start, total) : max(0, total + start)
        // From the end, a slice longer than what is before its start has fewer rows.
        let missing = start < 0 ? max(0, -start - total) : 0
        let last = count.map { min(total, first + max(0, min($0, total) - missing)) } ?? total
        let own = before..<before + input.table.rowCount
        let kept = (first..<max(first, last)).clamped(to: own)
        return Rows(
            table: input.table.slice(kept.lowerBound - before..<kept.upperBound - before),
            partitioning: input.partitioning)
    }

    func rowIndex(_ input: Rows) throws(FrameError) -> Rows {
        let (before, _) = try rowCounts(input)
        let count = input.table.rowCount
        let buffer = Buffer(byteCount: count * 8)
        let numbers = buffer.elements(as: Int.self)
        for row in 0..<count { numbers[row] = before + row }
        let index = Column(type: .int64, count: count, values: buffer)
        return Rows(
            table: Table(
                schema: node.schema, columns: [index] + input.table.columns, rowCount: count),
            partitioning: input.partitioning)
    }

    /// A row's luck depends on its number and the seed alone, so any number of ranks takes the same.
    func sample(_ input: Rows, _ sampling: Sampling) throws(FrameError) -> Rows {
        let (before, total) = try rowCounts(input)
        let count = input.table.rowCount
        let limit: UInt64?
        let generator: CounterGenerator
        switch sampling {
        case .fraction(let share, let seed):
            generator = CounterGenerator(seed: seed, frame: 0, column: 0)
            // 2^64 itself is no UInt64: all rows.
            limit = share >= 1 ? nil : UInt64(share * 0x1p64)
        case .count(let wanted, let seed):
            generator = CounterGenerator(seed: seed, frame: 0, column: 0)
            limit =
                wanted >= total
                ? nil : try threshold(wanted, before..<before + count, generator, input)
        }
        guard let limit else { return input }
        let mask = Bitmap(count: count) { generator.word(before + $0) < limit }
        return Rows(
            table: Kernels.filter(input.table, mask: Evaluation.bool(mask, nil)),
            partitioning: input.partitioning)
    }

    /// The word of which `wanted` rows of all ranks are below.
    private func threshold(
        _ wanted: Int, _ rows: Range<Int>, _ generator: CounterGenerator, _ input: Rows
    ) throws(FrameError) -> UInt64 {
        let words = rows.map { generator.word($0) }.sorted().prefix(wanted + 1)
        let own = Table(
            schema: try Schema([Field("word", .uint64)], operation: node.name),
            columns: [Column(Array(words) as [UInt64?])], rowCount: words.count)
        let pieces =
            size == 1 || input.partitioning == .replicated ? [own] : try gatherEverywhere(own)
        let all = Kernels.sort(pieces, by: [ColumnOrder(column: 0)])
        return all.columns[0].uint64(at: wanted) ?? .max
    }

    /// Each rank's best rows, sorted together.
    func topK(_ input: Rows, _ count: Int, _ keys: [SortKey]) throws(FrameError) -> Rows {
        let indices = input.table.schema.indices(of: keys.map(\.column))
        let order = zip(keys, indices).map { key, index in
            ColumnOrder(
                column: index, descending: key.descending, nullsFirst: key.nulls == .first)
        }
        let sorted = Kernels.argsort(input.table, by: order)
        let best = RowIndices(Array(sorted.array.prefix(count)))
        let own = Kernels.gather(input.table, best)
        guard size > 1, input.partitioning != .replicated else {
            return Rows(table: own, partitioning: input.partitioning.withoutOrder)
        }
        let all = try sort(Rows(table: own, partitioning: .unknown), keys)
        return try head(all, count)
    }

    /// Rows as the program makes them of each rank's.
    func mapPartitions(
        _ input: Rows, _ body: @Sendable (Table) throws -> Table
    ) throws(FrameError) -> Rows {
        let isReplicated = input.partitioning == .replicated
        var result = Table(emptyWith: node.schema)
        var failure: FrameError?
        do {
            result = try body(input.table)
            if result.schema != node.schema {
                failure = FrameError(
                    .invalidArgument, operation: node.name,
                    reason:
                        "the closure returned \(result.schema), not the \(node.schema) it promised"
                )
            }
        } catch let error as FrameError {
            failure = error
        } catch {
            failure = FrameError(
                .invalidArgument, operation: node.name, reason: "the closure threw \(error)")
        }
        if let failure = try agree(on: failure, isReplicated: isReplicated) { throw failure }
        return Rows(table: result, partitioning: isReplicated ? .replicated : .unknown)
    }
}
