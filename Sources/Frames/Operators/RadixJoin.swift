// The join whose shuffle is its radix pass: each sender partitions its rows by rank and, within each
// rank, by key; receivers match the partitions of all senders where they arrived. For joins on one
// integer key with nothing but plain 8-byte columns; others shuffle columns first (Exchange).

import MessagePassing

/// How the columns of one side travel: as words of a row, the key first.
struct CarriedSide {
    let key: Column
    let carried: [Column]
    /// Per wanted column its word and type.
    let outputs: [(word: Int, type: DataType)]

    /// Words per row that still let partitions fit the cache.
    private static let widthLimit = 7

    var width: Int { 1 + carried.count }

    /// Nil if the columns are not of that kind.
    init?(_ table: Table, key: Int, wanted: [Int]) {
        let keyColumn = table.columns[key]
        guard keyColumn.type == .int64 || keyColumn.type == .datetime,
            ([key] + wanted).allSatisfy({ index in
                let column = table.columns[index]
                return column.type.fixedWidth == 8 && column.validity == nil
            }), wanted.count < Self.widthLimit
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

    func rows(by partitioner: some KeyPartitioner) -> RadixRows {
        RadixRows(
            [KeyedChunk(key: key, carried: carried, firstRow: nil)], width: width, by: partitioner)
    }
}

extension StepRun {
    /// The join of two sides that all ranks hold as `CarriedSide`s. Collective; size > 1.
    ///
    /// Cost: the sizes of partitions, 8 bytes each, at most 16 KiB per pair of ranks, by one
    /// alltoall; then each row of both sides moves once, 8 bytes per column, by one alltoallv per
    /// side. Rows are copied once before and not at all after.
    func radixJoin(
        _ left: CarriedSide, _ right: CarriedSide, kind: JoinKind, _ facts: JoinFacts
    ) throws(FrameError) -> (columns: [Column], placement: Placement) {
        let buildsRight = facts.buildsRight(kind)
        let rowCount = buildsRight ? facts.rightRows : facts.leftRows
        if let range = facts.buildRange(kind),
            let blocks = KeyBlocks(range, rowCount: rowCount, rankCount: size)
        {
            let columns = try radixJoin(
                left, right, kind, buildsRight: buildsRight, BlockRankPartitioner(blocks))
            return (columns, .blocks(0, blocks))
        }
        let local = HashPartitioner(
            rowCount: rowCount / size, limit: max(RadixRows.partitionLimit / size, 64))
        let columns = try radixJoin(
            left, right, kind, buildsRight: buildsRight,
            HashRankPartitioner(local: local, rankCount: size))
        return (columns, .hash([0]))
    }

    private func radixJoin(
        _ left: CarriedSide, _ right: CarriedSide, _ kind: JoinKind, buildsRight: Bool,
        _ partitioner: some RankPartitioner
    ) throws(FrameError) -> [Column] {
        let perRank = partitioner.partitionsPerRank
        let leftRows = left.rows(by: partitioner)
        let rightRows = right.rows(by: partitioner)

        // Per rank: its partitions' sizes, left ones first.
        var counts: [Int32] = []
        counts.reserveCapacity(2 * perRank * size)
        for rank in 0..<size {
            for rows in [leftRows, rightRows] {
                for partition in rank * perRank..<(rank + 1) * perRank {
                    counts.append(Int32(truncatingIfNeeded: rows.rows(of: partition).count))
                }
            }
        }
        let outgoing = counts
        let bytes = (size - 1) * perRank * 8
        let incoming = try communicate(sent: bytes, received: bytes) { (world) throws(MPIError) in
            try world.alltoall(outgoing.span)
        }
        func starts(from source: Int, side: Int) -> [Int] {
            var starts = [0]
            let first = (2 * source + side) * perRank
            for count in incoming[first..<first + perRank] {
                starts.append(starts[starts.count - 1] + Int(count))
            }
            return starts
        }
        let (leftStarts, rightStarts) = (
            (0..<size).map { starts(from: $0, side: 0) },
            (0..<size).map { starts(from: $0, side: 1) }
        )
        let rightPieces = try exchangePieces(rightRows, perRank, rightStarts)
        let leftPieces = try exchangePieces(leftRows, perRank, leftStarts)
        return match(
            left, right, leftPieces, rightPieces, kind, buildsRight: buildsRight,
            partitioner.local)
    }

    /// Sends each rank its partitions, straight from where they are.
    private func exchangePieces(
        _ rows: RadixRows, _ perRank: Int, _ starts: [[Int]]
    ) throws(FrameError) -> [RadixRows] {
        let stride = rows.width * 8
        let ends = (0...size).map { rows.starts[$0 * perRank] }
        var sendCounts = (0..<size).map { ends[$0 + 1] - ends[$0] }
        var recvCounts = starts.map { $0[perRank] }
        sendCounts[rank] = 0
        recvCounts[rank] = 0
        let send = Partition(counts: sendCounts, displacements: Array(ends.dropLast()))
        let recv = Partition(counts: recvCounts)
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
            return RadixRows(words: words, width: rows.width, starts: starts[source])
        }
    }

    private func match(
        _ left: CarriedSide, _ right: CarriedSide, _ leftPieces: [RadixRows],
        _ rightPieces: [RadixRows], _ kind: JoinKind, buildsRight: Bool,
        _ partitioner: some KeyPartitioner
    ) -> [Column] {
        let outputs =
            left.outputs.map { JoinWord(side: buildsRight ? .probe : .build, word: $0.word) }
            + right.outputs.map { JoinWord(side: buildsRight ? .build : .probe, word: $0.word) }
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
