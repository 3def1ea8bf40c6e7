// Joins made of inner and left ones, and the cross join.

import MessagePassing

extension StepRun {
    /// Right, semi and anti joins, as a query within this step: names and types were checked.
    func composedJoin(
        _ left: Rows, _ right: Rows, _ join: JoinSpecification
    ) throws(FrameError) -> Rows {
        let (leftRows, rightRows) = (query(of: left), query(of: right))
        let result: Query
        switch join.kind {
        case .semi: result = try semiJoin(leftRows, rightRows, join)
        case .anti: result = try antiJoin(leftRows, rightRows, join.leftKeys, join.rightKeys)
        default: result = try rightJoin(leftRows, rightRows, join)
        }
        return try taken(result)
    }

    /// Rows as a query, for verbs within this step.
    private func query(of rows: Rows) -> Query {
        Frame(rows.table, on: communicator, partitioning: rows.partitioning).lazy
    }

    /// Runs a query as a part of this step, under this step's names.
    private func taken(_ query: Query) throws(FrameError) -> Rows {
        let frame = try query.collect()
        include(frame.statistics)
        return Rows(
            table: Table(
                schema: node.schema, columns: frame.table.columns, rowCount: frame.table.rowCount),
            partitioning: frame.partitioning)
    }

    private func semiJoin(
        _ left: Query, _ right: Query, _ join: JoinSpecification
    ) throws(FrameError) -> Query {
        let keys = try right.adding(
            "join", .project(join.rightKeys.map { col($0) }), file: "", line: 0
        )
        .unique()
        var inner = join
        inner.kind = .inner
        return try left.join(keys, inner)
    }

    /// Left rows that the right side's keys do not know: those that a left join finds no mark for.
    private func antiJoin(
        _ left: Query, _ right: Query, _ leftKeys: [String], _ rightKeys: [String]
    ) throws(FrameError) -> Query {
        var mark = "mark"
        while left.schema.index(of: mark) != nil || rightKeys.contains(mark) { mark += "_" }
        let keys = try right.adding(
            "join", .project(rightKeys.map { col($0) }), file: "", line: 0
        ).unique().withColumns(lit(true).as(mark))
        let specification = JoinSpecification(
            kind: .left, leftKeys: leftKeys, rightKeys: rightKeys, suffix: "")
        return try left.join(keys, specification).filter(col(mark).isNull).drop(
            ColumnNames([mark]))
    }

    /// A left join with sides exchanged, its columns put back in order.
    private func rightJoin(
        _ left: Query, _ right: Query, _ join: JoinSpecification
    ) throws(FrameError) -> Query {
        // Names that cannot clash: places.
        let leftNames = left.schema.names.indices.map { "left \($0)" }
        let rightNames = right.schema.names.indices.map { "right \($0)" }
        func renamed(_ query: Query, _ names: [String]) throws(FrameError) -> Query {
            try query.adding(
                "join", .project(zip(query.schema.names, names).map { col($0).as($1) }), file: "",
                line: 0)
        }
        let leftKeys = left.schema.indices(of: join.leftKeys)
        let rightKeys = right.schema.indices(of: join.rightKeys)
        let joined = try renamed(right, rightNames).join(
            renamed(left, leftNames),
            JoinSpecification(
                kind: .left, leftKeys: rightKeys.map { rightNames[$0] },
                rightKeys: leftKeys.map { leftNames[$0] }, suffix: ""))
        var names: [String] = []
        for index in left.schema.names.indices {
            names.append(
                leftKeys.firstIndex(of: index).map { rightNames[rightKeys[$0]] } ?? leftNames[index]
            )
        }
        names += join.rightColumns(right.schema).map { rightNames[$0] }
        return try joined.adding(
            "join", .project(zip(names, node.schema.names).map { col($0).as($1) }), file: "",
            line: 0)
    }

    /// Every left row beside every right row: the right side goes to all ranks.
    func crossJoin(_ left: Rows, _ right: Rows) throws(FrameError) -> Rows {
        let isOnEach = size == 1 || right.partitioning == .replicated
        let others =
            isOnEach ? right.table : Kernels.concat(try gatherEverywhere(right.table))
        let mine = isOnEach ? left : Rows(table: spread(left).table, partitioning: .unknown)
        let (leftCount, rightCount) = (mine.table.rowCount, others.rowCount)
        let (count, overflow) = leftCount.multipliedReportingOverflow(by: rightCount)
        let isTooLarge = overflow || count > Kernels.rowLimit
        let failure =
            isTooLarge
            ? FrameError(
                .invalidArgument, operation: node.name,
                reason: "\(leftCount) times \(rightCount) rows on one rank, at most "
                    + "\(Kernels.rowLimit) are possible; use more ranks") : nil
        let isReplicated = right.partitioning == .replicated && left.partitioning == .replicated
        if let failure = try agree(on: failure, isReplicated: isReplicated) { throw failure }
        let leftRows = Buffer(byteCount: count * 8)
        let rightRows = Buffer(byteCount: count * 8)
        var position = 0
        for row in 0..<leftCount {
            for other in 0..<rightCount {
                leftRows.elements(as: Int.self)[position] = row
                rightRows.elements(as: Int.self)[position] = other
                position += 1
            }
        }
        let leftIndices = RowIndices(buffer: leftRows, count: count)
        let rightIndices = RowIndices(buffer: rightRows, count: count)
        return Rows(
            table: Table(
                schema: node.schema,
                columns: mine.table.columns.map { Kernels.gather($0, leftIndices) }
                    + others.columns.map { Kernels.gather($0, rightIndices) }, rowCount: count),
            partitioning: isReplicated ? .replicated : .unknown)
    }
}

extension Query {
    fileprivate func join(
        _ right: Query, _ specification: JoinSpecification
    ) throws(FrameError) -> Query {
        try adding(
            PlanStep(
                name: "join", operation: .join(specification), inputs: [plan, right.plan],
                origin: Origin(file: "", line: 0)))
    }
}
