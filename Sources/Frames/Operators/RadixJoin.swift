// The join whose shuffle is its radix pass: each sender partitions its rows by rank and, within each
// rank, by key; receivers match the partitions of all senders where they arrived. For joins on one
// integer key with nothing but plain 8-byte columns, or with columns that became such (NumberedJoin);
// others shuffle columns first (Exchange).

import MessagePassing

/// How the columns of one side travel: as fields of a row, the key first.
struct CarriedSide {
    let key: Column
    let carried: [Column]
    /// Per wanted column its field and type.
    let outputs: [(field: Int, type: DataType)]

    /// Fields per row that still let partitions fit the cache.
    static let fieldLimit = 7

    var fieldCount: Int { 1 + carried.count }

    /// Per field a bit, set if a sample of this rank's values suggests that all fit an int32.
    var narrowFields: UInt64 {
        var bits: UInt64 = 0
        for (field, column) in ([key] + carried).enumerated()
        where RowLayout.looksNarrow(column) {
            bits |= 1 << UInt64(field)
        }
        return bits
    }

    /// Nil if the columns are not of that kind.
    init?(_ table: Table, key: Int, wanted: [Int]) {
        let keyColumn = table.columns[key]
        guard keyColumn.type.isInt64,
            ([key] + wanted).allSatisfy({ index in
                let column = table.columns[index]
                return column.type.fixedWidth == 8 && column.validity == nil
            }), wanted.count < Self.fieldLimit
        else { return nil }
        var carried: [Column] = []
        var outputs: [(Int, DataType)] = []
        for index in wanted {
            if index == key {
                outputs.append((0, keyColumn.type))
            } else {
                carried.append(table.columns[index])
                outputs.append((carried.count, table.columns[index].type))
            }
        }
        self.key = Kernels.plainCodes(keyColumn)
        self.carried = carried
        self.outputs = outputs
    }

    func rows(narrowFields: UInt64, by partitioner: some KeyPartitioner) -> RadixRows {
        let layout = RowLayout(
            narrow: (0..<fieldCount).map { narrowFields >> UInt64($0) & 1 == 1 })
        return RadixRows(
            [KeyedChunk(key: key, carried: carried, firstRow: nil)], as: layout, by: partitioner)
    }
}

extension StepRun {
    /// The join of two sides that all ranks hold as `CarriedSide`s. Collective; size > 1.
    ///
    /// Cost: the sizes of partitions, 8 bytes each, at most 16 KiB per pair of ranks, by one
    /// alltoall; then each row of both sides moves once, by one alltoallv per side, in 4 bytes per
    /// column whose values all fit an int32 and 8 per other. Rows are copied once before and not
    /// at all after. Where a column's sample looked narrow and one of its values is not, the rows
    /// are copied again and the sizes told again.
    func radixJoin(
        _ left: CarriedSide, _ right: CarriedSide, kind: JoinKind, _ facts: JoinFacts
    ) throws(FrameError) -> (columns: [Column], placement: Placement) {
        let rowCount = facts.buildsRight(kind) ? facts.rightRows : facts.leftRows
        if let range = facts.buildRange(kind),
            let blocks = KeyBlocks(range, rowCount: rowCount, rankCount: size)
        {
            let columns = try radixJoin(
                left, right, kind, facts, BlockRankPartitioner(blocks))
            return (columns, .blocks(0, blocks))
        }
        let local = HashPartitioner(
            rowCount: rowCount / size, limit: max(RadixRows.partitionLimit / size, 64))
        let columns = try radixJoin(
            left, right, kind, facts, HashRankPartitioner(local: local, rankCount: size))
        return (columns, .hash([0]))
    }

    private func radixJoin(
        _ left: CarriedSide, _ right: CarriedSide, _ kind: JoinKind, _ facts: JoinFacts,
        _ partitioner: some RankPartitioner
    ) throws(FrameError) -> [Column] {
        let rows = try moveRows(left, right, facts, partitioner)
        let rightPieces = try exchangePieces(rows.right)
        let leftPieces = try exchangePieces(rows.left)
        return match(
            left, right, leftPieces, rightPieces, kind, buildsRight: facts.buildsRight(kind),
            partitioner.local)
    }

    /// One side's rows in partitions, and where those of every rank will begin.
    private struct MovedRows {
        let rows: RadixRows
        let partitionsPerRank: Int
        /// Per source the first row of each partition, and the end.
        var incoming: [[Int]] = []
    }

    /// Both sides in partitions, and their sizes on all ranks.
    private func moveRows(
        _ left: CarriedSide, _ right: CarriedSide, _ facts: JoinFacts,
        _ partitioner: some RankPartitioner
    ) throws(FrameError) -> (left: MovedRows, right: MovedRows) {
        for narrow in [facts.narrowFields, (left: 0, right: 0)] {
            let perRank = partitioner.partitionsPerRank
            var sides = (
                left: MovedRows(
                    rows: left.rows(narrowFields: narrow.left, by: partitioner),
                    partitionsPerRank: perRank),
                right: MovedRows(
                    rows: right.rows(narrowFields: narrow.right, by: partitioner),
                    partitionsPerRank: perRank)
            )
            if try tellSizes(&sides.left, &sides.right) { return sides }
        }
        preconditionFailure("a wide field holds every value")
    }

    /// Tells every rank the sizes of its partitions. False, on every rank, if some rank's values
    /// did not fit their fields.
    private func tellSizes(
        _ left: inout MovedRows, _ right: inout MovedRows
    ) throws(FrameError) -> Bool {
        let perRank = left.partitionsPerRank
        // Per rank: whether all fits, then its partitions' sizes, left ones first.
        let messageCount = 1 + 2 * perRank
        var counts: [Int32] = []
        counts.reserveCapacity(messageCount * size)
        for rank in 0..<size {
            counts.append(left.rows.fits && right.rows.fits ? 1 : 0)
            for side in [left, right] {
                for partition in rank * perRank..<(rank + 1) * perRank {
                    counts.append(Int32(truncatingIfNeeded: side.rows.rows(of: partition).count))
                }
            }
        }
        let outgoing = counts
        let bytes = (size - 1) * messageCount * 4
        let told = try communicate(sent: bytes, received: bytes) { (world) throws(MPIError) in
            try world.alltoall(outgoing.span)
        }
        for source in 0..<size {
            let message = told[source * messageCount..<(source + 1) * messageCount]
            guard message.allSatisfy({ $0 >= 0 }) else {
                throw refusal(
                    MessageFault(source: source, reason: "a partition of fewer than no rows"))
            }
            let sizes = message.dropFirst()
            left.incoming.append(Self.starts(of: sizes.prefix(perRank)))
            right.incoming.append(Self.starts(of: sizes.dropFirst(perRank)))
        }
        return (0..<size).allSatisfy { told[$0 * messageCount] == 1 }
    }

    /// First rows of parts of these sizes, and the end.
    private static func starts(of sizes: ArraySlice<Int32>) -> [Int] {
        var starts = [0]
        starts.reserveCapacity(sizes.count + 1)
        for size in sizes { starts.append(starts[starts.count - 1] + Int(size)) }
        return starts
    }

    /// Sends each rank its partitions, straight from where they are.
    private func exchangePieces(_ moved: MovedRows) throws(FrameError) -> [RadixRows] {
        let (rows, perRank, starts) = (moved.rows, moved.partitionsPerRank, moved.incoming)
        let stride = rows.layout.byteWidth
        let ends = (0...size).map { rows.starts[$0 * perRank] }
        var sendCounts = (0..<size).map { ends[$0 + 1] - ends[$0] }
        var recvCounts = starts.map { $0[perRank] }
        sendCounts[rank] = 0
        recvCounts[rank] = 0
        let send = Partition(counts: sendCounts, displacements: Array(ends.dropLast()))
        let recv = try received(recvCounts, elementSize: stride)
        let received = Buffer(byteCount: recv.extent * stride)
        try communicate(
            sent: sendCounts.reduce(0, +) * stride, received: recv.extent * stride
        ) { (world) throws(MPIError) in
            try world.alltoallv(
                UnsafeRawBufferPointer(start: rows.words.pointer, count: rows.words.byteCount),
                send,
                into: UnsafeMutableRawBufferPointer(
                    start: received.pointer, count: recv.extent * stride),
                recv, elementSize: stride)
        }
        return (0..<size).map { source in
            let words =
                source == rank
                ? Buffer(
                    viewing: rows.words, from: ends[rank] * stride,
                    byteCount: (ends[rank + 1] - ends[rank]) * stride)
                : Buffer(
                    viewing: received, from: recv.offsets[source] * stride,
                    byteCount: recv.counts[source] * stride)
            return RadixRows(words: words, layout: rows.layout, starts: starts[source])
        }
    }

    private func match(
        _ left: CarriedSide, _ right: CarriedSide, _ leftPieces: [RadixRows],
        _ rightPieces: [RadixRows], _ kind: JoinKind, buildsRight: Bool,
        _ partitioner: some KeyPartitioner
    ) -> [Column] {
        let outputs =
            left.outputs.map { JoinField(side: buildsRight ? .probe : .build, field: $0.field) }
            + right.outputs.map {
                JoinField(side: buildsRight ? .build : .probe, field: $0.field)
            }
        var matcher = JoinMatcher(
            probe: buildsRight ? leftPieces : rightPieces,
            build: buildsRight ? rightPieces : leftPieces,
            outputs: outputs, keepsUnmatched: kind == .left, buildHasRowNumbers: false)
        matcher.run(partitioner)
        let count = matcher.count
        let types = (left.outputs + right.outputs).map(\.type)
        let validity = matcher.validity
        return zip(matcher.columns, types).enumerated().map { index, column in
            Column(
                type: column.1, count: count, values: column.0,
                validity: index < left.outputs.count ? nil : validity)
        }
    }
}
