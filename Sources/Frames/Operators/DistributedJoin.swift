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
        let leftPlacement = left.partitioning.placement(in: join.leftKeys)
        let rightPlacement = right.partitioning.placement(in: join.rightKeys)
        if let placement = leftPlacement {
            let pieces =
                placement == rightPlacement
                ? [right.table] : try shuffle(right.table, to: placement, of: join.rightKeys)
            let table = try joinPieces([left.table], pieces, join)
            return Rows(table: table, partitioning: left.partitioning)
        }
        if let placement = rightPlacement {
            let pieces = try shuffle(left.table, to: placement, of: join.leftKeys)
            return Rows(
                table: try joinPieces(pieces, [right.table], join),
                partitioning: placement.partitioning(of: join.leftKeys))
        }
        return try moveAndJoin(left, right, join)
    }

    /// Neither side is where it should be: one is sent to everyone, or both are shuffled. Which,
    /// all ranks decide alike from what the first exchange tells them.
    private func moveAndJoin(
        _ left: Rows, _ right: Rows, _ join: JoinSpecification
    ) throws(FrameError) -> Rows {
        let carried = carriedSides(left.table, right.table, join)
        var header = header()
        header.facts = JoinFacts.own(left.table, right.table, join.kind, carried: carried)
        var facts = try joinFacts(header)

        if facts.rightBytes <= facts.leftBytes / size {
            let pieces = try gatherEverywhere(right.table)
            return Rows(
                table: try joinPieces([left.table], pieces, join),
                partitioning: left.partitioning.withoutOrder)
        }
        if join.kind == .inner && facts.leftBytes <= facts.rightBytes / size {
            let pieces = try gatherEverywhere(left.table)
            return Rows(
                table: try joinPieces(pieces, [right.table], join),
                partitioning: join.partitioning(ofRight: right, left: left.table.schema))
        }
        if let carried, facts.allCarried {
            if !facts.knowsBuildRange(join.kind) {
                header.facts = JoinFacts.own(
                    left.table, right.table, join.kind, carried: carried, allRanges: true)
                facts = try joinFacts(header)
            }
            let (columns, placement) = try radixJoin(
                carried.left, carried.right, kind: join.kind, facts)
            return Rows(
                table: Table(schema: node.schema, columns: columns, rowCount: columns[0].count),
                partitioning: placement.partitioning(of: join.leftKeys))
        }
        let rightPieces = try shuffle(right.table, by: join.rightKeys)
        let leftPieces = try shuffle(left.table, by: join.leftKeys)
        return Rows(
            table: try joinPieces(leftPieces, rightPieces, join),
            partitioning: .hash(join.leftKeys))
    }

    /// What all ranks' headers say together. Collective: one exchange.
    private func joinFacts(_ header: ExchangeHeader) throws(FrameError) -> JoinFacts {
        let headers = try open(header)
        do throws(MessageFault) {
            return try JoinFacts(headers)
        } catch {
            throw refusal(error)
        }
    }

    /// Both sides as the radix join takes them; nil if their columns are not of that kind, or too
    /// many for one round.
    private func carriedSides(
        _ left: Table, _ right: Table, _ join: JoinSpecification
    ) -> (left: CarriedSide, right: CarriedSide)? {
        guard join.leftKeys.count == 1,
            left.byteCount + right.byteCount <= ExchangeLimits.roundBytes,
            let leftSide = CarriedSide(
                left, key: left.schema.indices(of: join.leftKeys)[0],
                wanted: Array(left.columns.indices)),
            let rightSide = CarriedSide(
                right, key: right.schema.indices(of: join.rightKeys)[0],
                wanted: join.rightColumns(right.schema))
        else { return nil }
        return (leftSide, rightSide)
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
