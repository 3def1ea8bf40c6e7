// Rows of a few fields (the key first), moved together into partitions that fit the cache. Moving
// rows once in order costs a fraction of gathering them at random later.

/// A part of a side's rows: the key, and what travels with it.
struct KeyedChunk {
    let key: Column
    /// Columns of 8-byte values without nulls.
    let carried: [Column]
    /// If given, row numbers from here on travel as the last field.
    let firstRow: Int?

    var fieldCount: Int { 1 + carried.count + (firstRow == nil ? 0 : 1) }
}

/// Rows grouped by partition.
struct RadixRows {
    /// Rows per partition aimed at: a partition, its sorted copy and its table fit 512 KiB.
    static let targetRowCount = 8192
    /// More would cost a cache and TLB miss per row moved.
    static let partitionLimit = 2048

    let words: Buffer
    let layout: RowLayout
    /// First row of each partition; the last but one is of rows that match nothing (null keys),
    /// the last the end.
    let starts: [Int]
    /// Did every value fit its field? If not, the rows are useless: move them in wide fields.
    let fits: Bool

    var rowCount: Int { starts.last ?? 0 }

    func rows(of partition: Int) -> Range<Int> { starts[partition]..<starts[partition + 1] }

    /// Rows that are in order already.
    init(words: Buffer, layout: RowLayout, starts: [Int]) {
        self.words = words
        self.layout = layout
        self.starts = starts
        fits = true
    }

    /// Moves all rows of `chunks`: one pass to count, one to move.
    init(_ chunks: [KeyedChunk], as layout: RowLayout, by partitioner: some KeyPartitioner) {
        self.layout = layout
        let partitionCount = partitioner.partitionCount
        // Per bucket first how many rows it has, then the word where its next one begins.
        var next = [Int](repeating: 0, count: partitionCount + 1)
        for chunk in chunks { RowMove.count(chunk, partitioner, into: &next) }
        var starts = [Int](repeating: 0, count: partitionCount + 2)
        for (bucket, count) in next.enumerated() where count > 0 {
            starts[partitioner.partition(ofBucket: bucket) + 1] = count
        }
        for partition in 0...partitionCount { starts[partition + 1] += starts[partition] }
        for (bucket, count) in next.enumerated() where count > 0 {
            next[bucket] = starts[partitioner.partition(ofBucket: bucket)] * layout.width
        }
        self.starts = starts
        words = Buffer(byteCount: starts[partitionCount + 1] * layout.byteWidth)
        let target = words.elements(as: UInt32.self)
        var excess: Int64 = 0
        next.withUnsafeMutableBufferPointer { next in
            guard let next = next.baseAddress else { return }
            for chunk in chunks {
                excess |= RowMove(layout: layout, target: target, next: next)
                    .move(chunk, partitioner)
            }
        }
        fits = excess == 0
    }
}
