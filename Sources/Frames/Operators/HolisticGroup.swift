// Groupings with aggregates that need all rows of a group at once: rows are shuffled by key, in the
// order of ranks, and each rank computes whole groups.

import MessagePassing

extension StepRun {
    func holisticGroup(
        _ input: Rows, _ keys: [String], _ aggregates: [Aggregate]
    ) throws(FrameError) -> Rows {
        let raw = try rawTable(input, keys, aggregates)
        let sums = aggregates.indices.filter { index in
            let type = raw.columns[keys.count + index].type
            return aggregates[index].function == .sum
                && (type.storage == .int64 || type.storage == .uint64)
        }.map { keys.count + $0 }
        watchSums(raw, sums)
        if keys.isEmpty { return try wholeTable(raw, input, aggregates, sums) }
        let isInPlace = size == 1 || input.partitioning.colocates(keys)
        let keyNames = Array(raw.schema.names.prefix(keys.count))
        let table = isInPlace ? raw : Kernels.concat(try shuffle(raw, by: keyNames))
        let failure =
            mayOverflow || anyMayOverflow ? overflow(table, keyCount: keys.count, sums) : nil
        if isInPlace {
            try settleSums(failure, of: sums, on: input)
        } else {
            try settleSums(failure)
        }
        return Rows(
            table: grouped(table, keyCount: keys.count, aggregates),
            partitioning: isInPlace ? input.partitioning.withoutOrder : .hash(keys))
    }

    /// Keys, then an operand per aggregate (of `len` a column of its input's length without nulls).
    private func rawTable(
        _ input: Rows, _ keys: [String], _ aggregates: [Aggregate]
    ) throws(FrameError) -> Table {
        let keyIndices = input.table.schema.indices(of: keys)
        let operands = aggregates.map { $0.operand ?? lit(true) }
        let columns = try evaluate(operands, on: input)
        var fields: [Field] = []
        for (position, index) in keyIndices.enumerated() {
            fields.append(Field("key \(position)", input.table.schema.fields[index].type))
        }
        for (position, column) in columns.enumerated() {
            fields.append(Field("operand \(position)", column.type))
        }
        return Table(
            schema: try Schema(fields, operation: node.name),
            columns: keyIndices.map { input.table.columns[$0] } + columns,
            rowCount: input.table.rowCount)
    }

    /// A row per group of this rank's rows. Local.
    func grouped(_ table: Table, keyCount: Int, _ aggregates: [Aggregate]) -> Table {
        let keys = Array(table.columns.prefix(keyCount))
        let groups = Kernels.groups(table, keyCount: keyCount)
        let results = zip(aggregates, table.columns.dropFirst(keyCount)).map { aggregate, operand in
            if keyCount == 0 && table.rowCount == 0 {
                return Kernels.holisticOfNothing(aggregate.function, operand)
            }
            return Kernels.holistic(aggregate.function, operand, groups)
        }
        let rowCount = keyCount == 0 ? 1 : groups.count
        return Table(
            schema: node.schema,
            columns: keys.map { groups.firstValues(of: $0) } + results,
            rowCount: rowCount)
    }
}
