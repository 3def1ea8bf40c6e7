// The operators that leave rows on their rank: projection, concatenation, head.

import MessagePassing

extension StepRun {
    func project(_ input: Rows, _ expressions: [Expression]) throws(FrameError) -> Rows {
        let columns = try evaluate(expressions, on: input)
        let table = Table(
            schema: node.schema, columns: columns, rowCount: input.table.rowCount)
        // A column that is passed on, whatever it is called now, still says where rows are.
        let partitioning = input.partitioning.renamed { name in
            expressions.first { expression in
                if case .column(name) = expression.node { true } else { false }
            }?.name
        }
        return Rows(table: table, partitioning: partitioning)
    }

    func concat(_ inputs: [Rows]) -> Rows {
        let first = inputs[0].partitioning
        let isCommon = inputs.allSatisfy { $0.partitioning == first }
        let isReplicated = isCommon && first == .replicated
        let parts = isReplicated ? inputs : inputs.map { spread($0) }
        // Rows of two sorted frames, one after the other, are not sorted.
        var partitioning = Partitioning.unknown
        switch first {
        case .hash, .blocks, .numbers, .replicated: if isCommon { partitioning = first }
        case .range, .unknown: break
        }
        return Rows(table: Kernels.concat(parts.map(\.table)), partitioning: partitioning)
    }

    func head(_ input: Rows, _ count: Int) throws(FrameError) -> Rows {
        let rowCount = input.table.rowCount
        var before = 0
        if size > 1 && input.partitioning != .replicated {
            var header = header()
            header.rowCount = rowCount
            before = try open(header).prefix(rank).reduce(0) { $0 + $1.rowCount }
        }
        let kept = min(max(count - before, 0), rowCount)
        return Rows(table: input.table.slice(0..<kept), partitioning: input.partitioning)
    }

    /// Replicated rows with each on one rank only, in the order of ranks; others as they are.
    /// Local; nothing is copied.
    func spread(_ input: Rows) -> Rows {
        guard input.partitioning == .replicated, size > 1 else { return input }
        let share = Partition(evenly: input.table.rowCount, parts: size)[rank]
        return Rows(table: input.table.slice(share), partitioning: .unknown)
    }
}
