// The distributed join: brings rows with equal keys to one rank, by the cheapest way known, and
// joins there.

import MessagePassing

extension StepRun {
    func join(
        _ left: Rows, _ right: Rows, _ join: JoinSpecification
    ) throws(FrameError) -> Rows {
        var (left, right) = (left, right)
        if size == 1 || right.partitioning == .replicated {
            let table = try joinPieces([left.table], [right.table], join)
            return Rows(table: table, partitioning: left.partitioning.withoutOrder)
        }
        if left.partitioning == .replicated {
            // Every left row meets each right row once; but a left row without any partner would
            // be reported by every rank.
            if join.kind == .inner {
                let table = try joinPieces([left.table], [right.table], join)
                return Rows(
                    table: table,
                    partitioning: join.partitioning(ofRight: right, left: left.table.schema))
            }
            left = spread(left)
        }
        let leftPlaces = left.partitioning.positions(in: join.leftKeys)
        let rightPlaces = right.partitioning.positions(in: join.rightKeys)
        if let places = leftPlaces {
            let pieces =
                places == rightPlaces
                ? [right.table]
                : try shuffle(right.table, by: places.map { join.rightKeys[$0] })
            let table = try joinPieces([left.table], pieces, join)
            return Rows(table: table, partitioning: left.partitioning)
        }
        if let places = rightPlaces {
            let keys = places.map { join.leftKeys[$0] }
            let pieces = try shuffle(left.table, by: keys)
            return Rows(
                table: try joinPieces(pieces, [right.table], join), partitioning: .hash(keys))
        }
        return try moveAndJoin(left, right, join)
    }

    /// Neither side is where it should be: one is sent to everyone, or both are shuffled. Which,
    /// all ranks decide alike from the sizes that the headers of the right side's shuffle carry.
    private func moveAndJoin(
        _ left: Rows, _ right: Rows, _ join: JoinSpecification
    ) throws(FrameError) -> Rows {
        let rankCount = size
        let keys = right.table.schema.indices(of: join.rightKeys)
        let pack = { (part: Table) in
            ScatterPacking(
                part,
                to: Destinations(
                    hashing: keys.map { part.columns[$0] }, rowCount: part.rowCount,
                    rankCount: rankCount))
        }
        let rounds = Rounds(of: right.table)
        let firstRows = right.table.slice(rounds.rows(of: 0))
        let packing = pack(firstRows)
        var headers = self.headers(for: packing, roundsLeft: rounds.left(after: 0))
        let whole = RangePacking(firstRows, ranges: [0..<firstRows.rowCount])
        let note = (
            left.table.byteCount, right.table.byteCount, whole.layouts[0].blockCount
        )
        for rank in headers.indices { headers[rank].note = note }
        let received = try open(headers)

        let leftBytes = received.reduce(0) { $0 + $1.note.0 }
        let rightBytes = received.reduce(0) { $0 + $1.note.1 }
        if rightBytes <= leftBytes / size {
            var opened = received
            for rank in opened.indices { opened[rank].blockCount = received[rank].note.2 }
            let pieces = try gatherEverywhere(right.table, opened: opened)
            let table = try joinPieces([left.table], pieces, join)
            return Rows(table: table, partitioning: left.partitioning.withoutOrder)
        }
        if join.kind == .inner && leftBytes <= rightBytes / size {
            let pieces = try gatherEverywhere(left.table)
            let table = try joinPieces(pieces, [right.table], join)
            return Rows(
                table: table,
                partitioning: join.partitioning(ofRight: right, left: left.table.schema))
        }
        let rightPieces = try exchange(right.table, opened: (packing, received), pack)
        let leftPieces = try shuffle(left.table, by: join.leftKeys)
        return Rows(
            table: try joinPieces(leftPieces, rightPieces, join),
            partitioning: .hash(join.leftKeys))
    }

    /// The join of this rank's rows. Local.
    private func joinPieces(
        _ left: [Table], _ right: [Table], _ join: JoinSpecification
    ) throws(FrameError) -> Table {
        let columns: [Column]
        do {
            columns = try Kernels.join(
                left: left, right: right,
                leftKeys: left[0].schema.indices(of: join.leftKeys),
                rightKeys: right[0].schema.indices(of: join.rightKeys), kind: join.kind,
                rightColumns: join.rightColumns(right[0].schema))
        } catch {
            var error = error
            error.location = node.origin.description
            throw error
        }
        return Table(schema: node.schema, columns: columns, rowCount: columns[0].count)
    }
}

extension JoinSpecification {
    /// Where the result's rows are when the right side has not moved.
    fileprivate func partitioning(ofRight right: Rows, left: Schema) -> Partitioning {
        let rightSchema = right.table.schema
        let names = zip(rightColumns(rightSchema), rightFields(left: left, right: rightSchema))
        return right.partitioning.withoutOrder.renamed { name in
            if let position = rightKeys.firstIndex(of: name) { return leftKeys[position] }
            return names.first { rightSchema.fields[$0.0].name == name }?.1.name
        }
    }
}

extension Partitioning {
    /// What it says about ranks alone: operators that reorder rows within a rank keep that.
    var withoutOrder: Partitioning {
        if case .range = self { .unknown } else { self }
    }
}
