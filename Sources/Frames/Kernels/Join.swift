// Joins two sides of rows on equal keys: decides what travels with the key and what is gathered
// afterwards, then lets JoinMatcher do the work.

extension Kernels {
    /// Rows a rank may hold: partitions number theirs in 32 bits.
    static let rowLimit = Int(Int32.max)

    /// Columns that rows carry beside the key: more make partitions too large for the cache.
    static let carriedLimit = 6

    /// Joins chunks of rows, which need not be concatenated first. Keys are column positions, of
    /// equal types left and right; null keys match nothing, NaN equals NaN, −0 equals 0. The result
    /// is all left columns, then `rightColumns` of the right; the order of its rows is unspecified.
    ///
    /// Cost: each side is read twice and moved once into partitions that fit the cache. Columns of
    /// numbers without nulls, and those that can be such (`JoinNumbering`, a pass to find out and one
    /// to number them), travel along; others are gathered once per output row.
    static func join(
        left: [Table], right: [Table], leftKeys: [Int], rightKeys: [Int], kind: JoinKind,
        rightColumns: [Int]
    ) throws(FrameError) -> [Column] {
        precondition(!leftKeys.isEmpty && leftKeys.count == rightKeys.count, "keys in pairs")
        guard
            let numbering = JoinNumbering(
                left: left[0].schema, right: right[0].schema, leftKeys: leftKeys,
                rightKeys: rightKeys, rightColumns: rightColumns,
                nullable: (nullable(left), nullable(right))),
            let numbered = numbering.profiles(left, right).flatMap({
                NumberedJoin(numbering, $0)
            })
        else {
            return try joinRows(
                left: left, right: right, leftKeys: leftKeys, rightKeys: rightKeys, kind: kind,
                rightColumns: rightColumns)
        }
        let joined = try joinRows(
            left: left.map(numbered.leftRows), right: right.map(numbered.rightRows),
            leftKeys: [0], rightKeys: [0], kind: kind,
            rightColumns: Array(1..<1 + rightColumns.count))
        return numbered.columns(from: joined)
    }

    private static func nullable(_ tables: [Table]) -> Set<Int> {
        Set(
            tables.flatMap { table in
                table.columns.indices.filter { table.columns[$0].validity != nil }
            })
    }

    /// The same of columns as they are.
    private static func joinRows(
        left: [Table], right: [Table], leftKeys: [Int], rightKeys: [Int], kind: JoinKind,
        rightColumns: [Int]
    ) throws(FrameError) -> [Column] {
        let (leftCodes, rightCodes) = joinCodes(left, right, leftKeys, rightKeys)
        let leftSide = JoinSide(
            left, codes: leftCodes, key: leftKeys.count == 1 ? leftKeys[0] : nil,
            wanted: Array(left[0].columns.indices))
        let rightSide = JoinSide(
            right, codes: rightCodes, key: rightKeys.count == 1 ? rightKeys[0] : nil,
            wanted: rightColumns)
        for side in [leftSide, rightSide] where side.rowCount > rowLimit {
            throw FrameError(
                .invalidArgument, operation: "join",
                reason: "\(side.rowCount) rows on one rank, at most \(rowLimit) are possible; "
                    + "use more ranks")
        }
        let buildsRight = kind == .left || rightSide.rowCount <= leftSide.rowCount
        let (build, probe) = buildsRight ? (rightSide, leftSide) : (leftSide, rightSide)
        let outputs =
            leftSide.fields.map { JoinField(side: buildsRight ? .probe : .build, field: $0) }
            + rightSide.fields.map { JoinField(side: buildsRight ? .build : .probe, field: $0) }
        let matches = match(
            probe: probe, build: build, outputs: outputs, keepsUnmatched: kind == .left)
        let validity = matches.validity
        let leftValues = Array(matches.columns.prefix(leftSide.fields.count))
        let rightValues = Array(matches.columns.dropFirst(leftSide.fields.count))
        return leftSide.columns(from: leftValues, count: matches.count, validity: nil)
            + rightSide.columns(from: rightValues, count: matches.count, validity: validity)
    }

    private static func match(
        probe: JoinSide, build: JoinSide, outputs: [JoinField], keepsUnmatched: Bool
    ) -> JoinMatcher {
        func run(_ partitioner: some KeyPartitioner) -> JoinMatcher {
            let (probeRows, buildRows) = move(probe, build, partitioner)
            var matcher = JoinMatcher(
                probe: [probeRows], build: [buildRows], outputs: outputs,
                keepsUnmatched: keepsUnmatched, buildHasRowNumbers: build.hasRowNumbers)
            matcher.run(partitioner)
            return matcher
        }
        let range = keyRange(build.chunks.map(\.key))
        if let range,
            let dense = DensePartitioner(
                minimum: range.minimum, range: range.width, rowCount: build.rowCount)
        {
            return run(dense)
        }
        return run(HashPartitioner(rowCount: build.rowCount))
    }

    /// Both sides in partitions: in narrow fields where samples of their columns suggest it, and
    /// once more in wide ones if that was wrong.
    private static func move(
        _ probe: JoinSide, _ build: JoinSide, _ partitioner: some KeyPartitioner
    ) -> (probe: RadixRows, build: RadixRows) {
        let narrowKeys = probe.looksNarrow[0] && build.looksNarrow[0]
        func rows(_ side: JoinSide) -> RadixRows {
            let layout = RowLayout(narrow: [narrowKeys] + side.looksNarrow.dropFirst())
            return RadixRows(side.chunks, as: layout, by: partitioner)
        }
        let buildRows = rows(build)
        if buildRows.fits {
            let probeRows = rows(probe)
            if probeRows.fits { return (probeRows, buildRows) }
        }
        func wideRows(_ side: JoinSide) -> RadixRows {
            RadixRows(
                side.chunks, as: RowLayout(wideFields: side.chunks[0].fieldCount), by: partitioner)
        }
        return (wideRows(probe), wideRows(build))
    }

    /// Least of all int64 values that are not null, and the distance to the greatest; nil if there
    /// is none.
    static func keyRange(_ chunks: [Column]) -> (minimum: Int64, width: UInt64)? {
        var least = Int64.max
        var greatest = Int64.min
        for chunk in chunks {
            let values = chunk.pointer(as: Int64.self)
            if let validity = chunk.validity {
                for row in 0..<chunk.count where validity[row] {
                    least = min(least, values[row])
                    greatest = max(greatest, values[row])
                }
            } else {
                for row in 0..<chunk.count {
                    least = min(least, values[row])
                    greatest = max(greatest, values[row])
                }
            }
            withExtendedLifetime(chunk) {}
        }
        return least <= greatest ? (least, UInt64(bitPattern: greatest &- least)) : nil
    }
}

/// One side of a join: how each wanted column gets to the output.
private struct JoinSide {
    private enum Path {
        /// As this field of the row.
        case field(Int)
        /// By the row number, from the concatenated column.
        case gathered(Column)
    }

    let chunks: [KeyedChunk]
    let rowCount: Int
    /// Fields of the row that the output needs, in the order `columns(from:)` expects them.
    let fields: [Int]
    /// Per field, whether a sample of its values suggests that all fit an int32.
    let looksNarrow: [Bool]
    var hasRowNumbers: Bool { chunks[0].firstRow != nil }
    private let paths: [(path: Path, type: DataType)]

    /// - Parameters:
    ///   - codes: an int64 column per chunk, equal where keys are.
    ///   - key: the key column, if there is but one.
    init(_ tables: [Table], codes: [Column], key: Int?, wanted: [Int]) {
        var carried: [Int] = []
        var paths: [(Path, DataType)] = []
        for index in wanted {
            let type = tables[0].columns[index].type
            let isPlain =
                type.fixedWidth == 8 && tables.allSatisfy { $0.columns[index].validity == nil }
            if isPlain && index == key && !type.isFloat {
                paths.append((.field(0), type))
            } else if isPlain && carried.count < Kernels.carriedLimit {
                carried.append(index)
                paths.append((.field(carried.count), type))
            } else {
                let column = Kernels.concat(tables.map { $0.columns[index] })
                paths.append((.gathered(column), type))
            }
        }
        self.paths = paths
        let needsRowNumbers = paths.contains { if case .gathered = $0.0 { true } else { false } }
        var firstRow = 0
        var chunks: [KeyedChunk] = []
        for (table, code) in zip(tables, codes) {
            chunks.append(
                KeyedChunk(
                    key: code, carried: carried.map { table.columns[$0] },
                    firstRow: needsRowNumbers ? firstRow : nil))
            firstRow += table.rowCount
        }
        self.chunks = chunks
        rowCount = firstRow
        let last = chunks[0].fieldCount - 1
        fields =
            paths.compactMap { if case .field(let field) = $0.0 { field } else { nil } }
            + (needsRowNumbers ? [last] : [])
        // Row numbers fit: there is a limit to rows.
        looksNarrow = (0..<chunks[0].fieldCount).map { field in
            chunks.allSatisfy { chunk in
                if field == 0 { return RowLayout.looksNarrow(chunk.key) }
                if field > chunk.carried.count { return true }
                return RowLayout.looksNarrow(chunk.carried[field - 1])
            }
        }
    }

    /// The wanted columns of the output, given its fields.
    func columns(from buffers: [Buffer], count: Int, validity: Bitmap?) -> [Column] {
        var next = 0
        let rows = buffers.last.map { RowIndices(buffer: $0, count: count) }
        return paths.map { path, type in
            switch path {
            case .field:
                next += 1
                return Column(
                    type: type, count: count, values: buffers[next - 1], validity: validity)
            case .gathered(let column):
                guard let rows else { preconditionFailure("gathered without row numbers") }
                return Kernels.gather(column, rows)
            }
        }
    }
}
