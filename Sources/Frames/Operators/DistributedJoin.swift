// The distributed join: brings rows with equal keys to one rank, by the cheapest way known, and
// joins there.

import MessagePassing

extension StepRun {
    /// - Parameter join: inner, left or full; the other kinds are made of these.
    func join(
        _ left: Rows, _ right: Rows, _ join: JoinSpecification
    ) throws(FrameError) -> Rows {
        var (left, right) = (left, right)
        if size == 1 || (left.partitioning, right.partitioning) == (.replicated, .replicated) {
            let table = try joinPieces([left.table], [right.table], join, as: join.kind)
            return Rows(table: table, partitioning: left.partitioning.withoutOrder)
        }
        if right.partitioning == .replicated {
            // A right row without any partner would be reported by every rank.
            if join.kind != .full {
                let table = try joinPieces([left.table], [right.table], join, as: join.kind)
                return Rows(table: table, partitioning: left.partitioning.withoutOrder)
            }
            right = spread(right)
        }
        if left.partitioning == .replicated {
            // Every left row meets each right row once; but a left row without any partner would
            // be reported by every rank.
            if join.kind == .inner {
                let table = try joinPieces([left.table], [right.table], join, as: .inner)
                return Rows(
                    table: table,
                    partitioning: join.partitioning(ofRight: right, left: left.table.schema))
            }
            left = spread(left)
        }
        let leftPlacement = left.partitioning.placement(in: join.leftKeys)
        let rightPlacement = right.partitioning.placement(in: join.rightKeys)
        if leftPlacement == nil && rightPlacement == nil {
            return try moveAndJoin(left, right, join)
        }
        return try joinInPlace(left, right, join, leftPlacement, rightPlacement)
    }

    /// One side is where its keys belong: at most the other one moves.
    private func joinInPlace(
        _ left: Rows, _ right: Rows, _ join: JoinSpecification, _ leftPlacement: Placement?,
        _ rightPlacement: Placement?
    ) throws(FrameError) -> Rows {
        if let placement = leftPlacement {
            var pieces: [Table]? = [right.table]
            if placement != rightPlacement {
                let sample = sample(right.table, join.rightKeys)
                pieces = try shuffle(
                    right.table, to: placement, of: join.rightKeys, unlessAny: sample.isSkewed)
                if pieces == nil {
                    let heavy = try heavyKeys(
                        KeySample(), sample, spreadable: (left: false, right: true))
                    let moves = Moves(left: nil, right: placement)
                    if !heavy.isEmpty {
                        return try spreadJoin(left.table, right.table, join, heavy, moves)
                    }
                    pieces = try shuffle(right.table, to: placement, of: join.rightKeys)
                }
            }
            return Rows(
                table: try joinPieces([left.table], pieces ?? [], join, as: join.kind),
                partitioning: left.partitioning)
        }
        guard let placement = rightPlacement else {
            preconditionFailure("neither side is in place")
        }
        let sample = sample(left.table, join.leftKeys)
        var pieces = try shuffle(
            left.table, to: placement, of: join.leftKeys, unlessAny: sample.isSkewed)
        if pieces == nil {
            let heavy = try heavyKeys(
                sample, KeySample(), spreadable: (left: true, right: false))
            let moves = Moves(left: placement, right: nil)
            if !heavy.isEmpty {
                return try spreadJoin(left.table, right.table, join, heavy, moves)
            }
            pieces = try shuffle(left.table, to: placement, of: join.leftKeys)
        }
        return Rows(
            table: try joinPieces(pieces ?? [], [right.table], join, as: join.kind),
            partitioning: placement.partitioning(of: join.leftKeys))
    }

    /// Neither side is where it should be: one is sent to everyone, or both are shuffled. Which,
    /// all ranks decide alike from what the first exchange tells them.
    private func moveAndJoin(
        _ left: Rows, _ right: Rows, _ join: JoinSpecification
    ) throws(FrameError) -> Rows {
        let carried = carriedSides(left.table, right.table, join)
        let samples = (
            left: sample(left.table, join.leftKeys), right: sample(right.table, join.rightKeys)
        )
        var header = header()
        let isSkewed = samples.left.isSkewed || samples.right.isSkewed
        let costs = JoinCosts.costs(of: communicator)
        header.facts = JoinFacts.own(
            left.table, right.table, join.kind, carried: carried, isSkewed: isSkewed, costs)
        var facts = try joinFacts(header)

        switch facts.costs(join.kind, costs, size: size).best {
        case .sendRight:
            let pieces = try gatherEverywhere(right.table)
            return Rows(
                table: try joinPieces([left.table], pieces, join, as: join.kind),
                partitioning: left.partitioning.withoutOrder)
        case .sendLeft:
            let pieces = try gatherEverywhere(left.table)
            return Rows(
                table: try joinPieces(pieces, [right.table], join, as: .inner),
                partitioning: join.partitioning(ofRight: right, left: left.table.schema))
        case .shuffle: break
        }
        if facts.anySkewed {
            let heavy = try heavyKeys(
                samples.left, samples.right, spreadable: (left: true, right: true))
            if !heavy.isEmpty {
                let placement = Placement.hash(Array(join.leftKeys.indices))
                return try spreadJoin(
                    left.table, right.table, join, heavy,
                    Moves(left: placement, right: placement))
            }
        }
        if let carried, facts.allCarried {
            if !facts.knowsBuildRange(join.kind) {
                header.facts = JoinFacts.own(
                    left.table, right.table, join.kind, carried: carried, isSkewed: isSkewed,
                    costs, buildsRight: facts.buildsRight(join.kind))
                facts = try joinFacts(header)
            }
            let (columns, placement) = try radixJoin(
                carried.left, carried.right, kind: join.kind, facts)
            return Rows(
                table: Table(schema: node.schema, columns: columns, rowCount: columns[0].count),
                partitioning: placement.partitioning(of: join.leftKeys))
        }
        if join.kind != .full,
            let rows = try numberedJoin(left.table, right.table, join, facts)
        {
            return rows
        }
        let rightPieces = try shuffle(right.table, by: join.rightKeys)
        let leftPieces = try shuffle(left.table, by: join.leftKeys)
        return Rows(
            table: try joinPieces(leftPieces, rightPieces, join, as: join.kind),
            partitioning: .hash(join.leftKeys))
    }

    private func sample(_ table: Table, _ keys: [String]) -> KeySample {
        KeySample(table, keys: table.schema.indices(of: keys), rankCount: size)
    }

    /// What all ranks' headers say together. Collective: one exchange.
    func joinFacts(
        _ header: ExchangeHeader, mustCarry: Bool = false
    ) throws(FrameError) -> JoinFacts {
        let headers = try open(header)
        do throws(MessageFault) {
            return try JoinFacts(headers, mustCarry: mustCarry)
        } catch {
            throw refusal(error)
        }
    }

    /// Both sides as the radix join takes them; nil if their columns are not of that kind, or too
    /// many for one round.
    private func carriedSides(
        _ left: Table, _ right: Table, _ join: JoinSpecification
    ) -> (left: CarriedSide, right: CarriedSide)? {
        guard join.kind != .full, join.leftKeys.count == 1,
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
