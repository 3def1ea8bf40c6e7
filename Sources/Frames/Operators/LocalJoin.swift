// The join of the rows that are on this rank, of any kind that a distributed join is made of.

extension StepRun {
    /// Pairs of rows with equal keys, and what `kind` wants of those without a partner here. Local.
    /// - Parameter kind: inner, left, right or full.
    func joinPieces(
        _ left: [Table], _ right: [Table], _ join: JoinSpecification, as kind: JoinKind
    ) throws(FrameError) -> Table {
        let leftKeys = left[0].schema.indices(of: join.leftKeys)
        let rightKeys = right[0].schema.indices(of: join.rightKeys)
        let columns: [Column]
        do {
            columns = try Kernels.join(
                left: left, right: right, leftKeys: leftKeys, rightKeys: rightKeys,
                kind: kind == .left || kind == .full ? .left : .inner,
                rightColumns: join.rightColumns(right[0].schema))
        } catch {
            var error = error
            error.location = node.origin.description
            throw error
        }
        let matched = Table(schema: node.schema, columns: columns, rowCount: columns[0].count)
        guard kind == .right || kind == .full else { return matched }
        let alone = try split(
            right, rightKeys, by: Self.keyTable(left, leftKeys, named: node.name)
        ).without
        return Kernels.concat([matched, ofRight(alone, join, left[0].schema)])
    }

    /// The rows whose keys are among `known`, and the others; null keys are among none. Local.
    func split(
        _ pieces: [Table], _ keys: [Int], by known: Table
    ) throws(FrameError) -> (with: Table, without: Table) {
        let mark = Literal.bool(true).column(count: known.rowCount)
        let marked = Table(
            schema: try Schema(
                known.schema.fields + [Field("mark", .bool)], operation: node.name),
            columns: known.columns + [mark], rowCount: known.rowCount)
        let columns = try Kernels.join(
            left: pieces, right: [marked], leftKeys: keys,
            rightKeys: Array(known.columns.indices), kind: .left,
            rightColumns: [known.columns.count])
        let rows = Table(
            schema: pieces[0].schema, columns: Array(columns.dropLast()),
            rowCount: columns[0].count)
        let marks = columns[columns.count - 1]
        return (
            Kernels.filter(rows, mask: Evaluation.unary(.isNotNull, marks)),
            Kernels.filter(rows, mask: Evaluation.unary(.isNull, marks))
        )
    }

    /// The different keys of some rows, under names of their own. Local.
    static func keyTable(
        _ pieces: [Table], _ keys: [Int], named operation: String
    ) throws(FrameError) -> Table {
        let fields = keys.enumerated().map { position, key in
            Field("key \(position)", pieces[0].schema.fields[key].type)
        }
        let all = Table(
            schema: try Schema(fields, operation: operation),
            columns: keys.map { key in Kernels.concat(pieces.map { $0.columns[key] }) },
            rowCount: pieces.reduce(0) { $0 + $1.rowCount })
        return Kernels.unique(all, keys: Array(keys.indices))
    }

    /// Right rows without a partner as rows of the result: nulls on the left but for the keys.
    private func ofRight(
        _ rows: Table, _ join: JoinSpecification, _ left: Schema
    ) -> Table {
        let nulls = RowIndices([Int](repeating: -1, count: rows.rowCount))
        let keys = rows.schema.indices(of: join.rightKeys)
        let ofLeft = left.fields.map { field in
            if let position = join.leftKeys.firstIndex(of: field.name) {
                return rows.columns[keys[position]]
            }
            return Kernels.gather(Column.empty(field.type), nulls)
        }
        let ofRight = join.rightColumns(rows.schema).map { rows.columns[$0] }
        return Table(schema: node.schema, columns: ofLeft + ofRight, rowCount: rows.rowCount)
    }
}
