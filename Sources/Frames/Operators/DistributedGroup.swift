// Groupby and whole-table aggregates: aggregate on each rank, bring partial results of a group
// together, merge.

import MessagePassing

extension StepRun {
    func group(
        _ input: Rows, _ keys: [String], _ aggregates: [Aggregate]
    ) throws(FrameError) -> Rows {
        let partials = try PartialAggregates(aggregates, schema: input.table.schema)
        let raw = try rawTable(input, keys, partials)
        let keyIndices = Array(keys.indices)
        let first = partials.first(keyCount: keys.count)
        let sums = partials.sums(keyCount: keys.count, ofParts: false)
        watchSums(raw, sums)
        var failure = mayOverflow ? overflow(raw, keyCount: keys.count, sums) : nil
        if size == 1 || input.partitioning.colocates(keys) {
            try settleSums(failure, of: sums, on: input)
            let columns = Kernels.groupBy([raw], keys: keyIndices, aggregates: first)
            return Rows(
                table: result(columns, keyCount: keys.count, partials),
                partitioning: input.partitioning.withoutOrder)
        }
        let columns: [Column]
        if GroupEstimate(raw, keyCount: keys.count).isNearlyUnique {
            columns =
                Array(raw.columns.prefix(keys.count))
                + partials.unaggregated(
                    operands: Array(raw.columns.dropFirst(keys.count)), rowCount: raw.rowCount)
        } else {
            columns = Kernels.groupBy([raw], keys: keyIndices, aggregates: first)
        }
        let partial = try partialTable(columns, raw.schema, keyCount: keys.count, partials)
        let groups = try shuffleGroups(partial, keyCount: keys.count)
        let keyCount = groups.keyCount
        if anyMayOverflow && failure == nil {
            failure = overflow(
                Kernels.concat(groups.pieces), keyCount: keyCount,
                partials.sums(keyCount: keyCount, ofParts: true))
        }
        try settleSums(failure)
        let merged = groups.withKeys(
            Kernels.groupBy(
                groups.pieces, keys: Array(0..<keyCount),
                aggregates: partials.merge(keyCount: keyCount)))
        return Rows(
            table: result(merged, keyCount: keys.count, partials),
            partitioning: .hash(keys))
    }

    /// One row on every rank.
    func aggregate(_ input: Rows, _ aggregates: [Aggregate]) throws(FrameError) -> Rows {
        let columns = try values(input, aggregates)
        return Rows(
            table: Table(schema: node.schema, columns: columns, rowCount: 1),
            partitioning: .replicated)
    }

    /// One value per aggregate, on every rank.
    func values(
        _ input: Rows, _ aggregates: [Aggregate]
    ) throws(FrameError) -> [Column] {
        let partials = try PartialAggregates(aggregates, schema: input.table.schema)
        let raw = try rawTable(input, [], partials)
        let sums = partials.sums(keyCount: 0, ofParts: false)
        watchSums(raw, sums)
        var failure = mayOverflow ? overflow(raw, keyCount: 0, sums) : nil
        let own = wholeAggregates([raw], partials.first(keyCount: 0), partials)
        guard size > 1, input.partitioning != .replicated else {
            if let failure { throw failure }
            return partials.results(own)
        }
        let partial = try partialTable(own, raw.schema, keyCount: 0, partials)
        let pieces = try gatherEverywhere(partial)
        if anyMayOverflow && failure == nil {
            failure = overflow(
                Kernels.concat(pieces), keyCount: 0, partials.sums(keyCount: 0, ofParts: true))
        }
        try settleSums(failure)
        return partials.results(wholeAggregates(pieces, partials.merge(keyCount: 0), partials))
    }

    /// All rows as one group.
    private func wholeAggregates(
        _ pieces: [Table], _ aggregates: [GroupAggregate], _ partials: PartialAggregates
    ) -> [Column] {
        guard pieces.contains(where: { $0.rowCount > 0 }) else { return partials.ofNothing() }
        return Kernels.wholeAggregates(pieces, aggregates)
    }

    /// Keys, then the evaluated operands of aggregates, under names that cannot clash.
    private func rawTable(
        _ input: Rows, _ keys: [String], _ partials: PartialAggregates
    ) throws(FrameError) -> Table {
        let table = input.table
        let keyIndices = table.schema.indices(of: keys)
        var fields: [Field] = []
        for (position, index) in keyIndices.enumerated() {
            fields.append(Field("key \(position)", table.schema.fields[index].type))
        }
        for (position, operand) in partials.operands.enumerated() {
            fields.append(Field("operand \(position)", operand.type))
        }
        return Table(
            schema: try Schema(fields, operation: node.name),
            columns: try keyIndices.map { table.columns[$0] }
                + evaluate(partials.operands.map(\.expression), on: input),
            rowCount: table.rowCount)
    }

    private func partialTable(
        _ columns: [Column], _ raw: Schema, keyCount: Int, _ partials: PartialAggregates
    ) throws(FrameError) -> Table {
        Table(
            schema: try Schema(
                Array(raw.fields.prefix(keyCount)) + partials.fields(), operation: node.name),
            columns: columns, rowCount: columns.first?.count ?? 0)
    }

    private func result(
        _ columns: [Column], keyCount: Int, _ partials: PartialAggregates
    ) -> Table {
        Table(
            schema: node.schema,
            columns: Array(columns.prefix(keyCount))
                + partials.results(Array(columns.dropFirst(keyCount))),
            rowCount: columns.first?.count ?? 0)
    }
}

/// Whether grouping a rank's rows would leave nearly as many: then it is not worth its time before
/// a shuffle.
///
/// Two samples are grouped. Rows far apart: of n of them, drawn from D groups, about n²/2D repeat a
/// group (the birthday paradox), which gives D. And neighbours, which repeat at once where the rows
/// are sorted.
struct GroupEstimate {
    let isNearlyUnique: Bool

    static let sampleRowCount = 8192

    init(_ table: Table, keyCount: Int) {
        let count = table.rowCount
        guard count > Self.sampleRowCount * 4 else {
            isNearlyUnique = false
            return
        }
        let keys = Array(table.columns.prefix(keyCount))
        let stride = count / Self.sampleRowCount
        let apart = RowIndices((0..<Self.sampleRowCount).map { $0 * stride })
        let neighbours = RowIndices((0..<Self.sampleRowCount).map { count / 2 + $0 })
        let sample = Double(Self.sampleRowCount)
        let repeats = sample - Double(Self.groupCount(keys, apart))
        let groups = repeats == 0 ? Double.infinity : sample * sample / (2 * repeats)
        let isApartUnique = groups > Double(count)
        isNearlyUnique =
            isApartUnique && Double(Self.groupCount(keys, neighbours)) > 0.7 * sample
    }

    private static func groupCount(_ keys: [Column], _ rows: RowIndices) -> Int {
        let sampled = keys.map { Kernels.gather($0, rows) }
        return Groups(codes: [Kernels.keyCodes(sampled, nullsAreEqual: true)]).count
    }
}
