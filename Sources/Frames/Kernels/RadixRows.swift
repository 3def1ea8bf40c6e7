// Rows of a few 8-byte words (the key first), moved together into partitions that fit the cache.
// Moving rows once in order costs a fraction of gathering them at random later.

/// Which partition and which slot of its table a key belongs to.
protocol KeyPartitioner {
    var partitionCount: Int { get }
    /// Slots of a partition that has `rowCount` rows to look up: all values `slot` may take.
    func slotCount(rowCount: Int) -> Int
    /// `partitionCount` for a key that cannot match any.
    func partition(of key: Int64) -> Int
    func slot(of key: Int64, slotCount: Int) -> Int
    /// Whether a slot holds one key only, so that keys need not be compared.
    static var slotsAreKeys: Bool { get }
}

/// Keys of a narrow range: a partition is a run of keys, its table an array indexed by key.
struct DensePartitioner: KeyPartitioner {
    let minimum: Int64
    /// A partition has 2^shift keys.
    let shift: UInt64
    let partitionCount: Int

    static var slotsAreKeys: Bool { true }

    init(minimum: Int64, shift: UInt64, partitionCount: Int) {
        self.minimum = minimum
        self.shift = shift
        self.partitionCount = partitionCount
    }

    /// Nil if the keys are too sparse for an array to pay.
    /// - Parameter range: greatest less least key.
    init?(minimum: Int64, range: UInt64, rowCount: Int) {
        guard range < UInt64(max(4 * rowCount, 1 << 13)) else { return nil }
        let keysPerRow = Double(range) / Double(max(rowCount, 1))
        var shift: UInt64 = 13
        while shift < 15 && Double(1 << shift) < Double(RadixRows.targetRowCount) * keysPerRow {
            shift += 1
        }
        while range >> shift >= RadixRows.partitionLimit { shift += 1 }
        self.minimum = minimum
        self.shift = shift
        partitionCount = Int(range >> shift) + 1
    }

    func slotCount(rowCount: Int) -> Int { 1 << Int(shift) }

    @inline(__always)
    func partition(of key: Int64) -> Int {
        let distance = UInt64(bitPattern: key &- minimum)
        return Int(truncatingIfNeeded: min(distance >> shift, UInt64(partitionCount)))
    }

    @inline(__always)
    func slot(of key: Int64, slotCount: Int) -> Int {
        Int(truncatingIfNeeded: UInt64(bitPattern: key &- minimum)) & (slotCount &- 1)
    }
}

/// Any keys: bits of the hash below those that choose the rank.
struct HashPartitioner: KeyPartitioner {
    let partitionCount: Int

    static var slotsAreKeys: Bool { false }

    init(rowCount: Int, limit: Int = RadixRows.partitionLimit) {
        var count = 1
        while count < limit && count * RadixRows.targetRowCount < rowCount {
            count *= 2
        }
        partitionCount = count
    }

    func slotCount(rowCount: Int) -> Int {
        var count = 64
        while count < rowCount && count < 1 << 24 { count *= 2 }
        return count
    }

    @inline(__always)
    func partition(of key: Int64) -> Int {
        Int(truncatingIfNeeded: hashInt64(key) >> 40) & (partitionCount &- 1)
    }

    @inline(__always)
    func slot(of key: Int64, slotCount: Int) -> Int {
        Int(truncatingIfNeeded: hashInt64(key) >> 16) & (slotCount &- 1)
    }
}

/// A part of a side's rows: the key, and what travels with it.
struct KeyedChunk {
    let key: Column
    /// Columns of 8-byte values without nulls.
    let carried: [Column]
    /// If given, row numbers from here on travel as the last word.
    let firstRow: Int?

    var width: Int { 1 + carried.count + (firstRow == nil ? 0 : 1) }
}

/// Rows grouped by partition.
struct RadixRows {
    /// Rows per partition aimed at: a partition, its sorted copy and its table fit 512 KiB.
    static let targetRowCount = 8192
    /// More would cost a cache and TLB miss per row moved.
    static let partitionLimit = 2048

    let words: Buffer
    /// Words per row.
    let width: Int
    /// First row of each partition; the last but one is of rows that match nothing (null keys),
    /// the last the end.
    let starts: [Int]

    var rowCount: Int { starts.last ?? 0 }

    func rows(of partition: Int) -> Range<Int> { starts[partition]..<starts[partition + 1] }

    /// Rows that are in order already.
    init(words: Buffer, width: Int, starts: [Int]) {
        self.words = words
        self.width = width
        self.starts = starts
    }

    /// Moves all rows of `chunks`: one pass to count, one to move.
    init(_ chunks: [KeyedChunk], width: Int, by partitioner: some KeyPartitioner) {
        self.width = width
        let partitionCount = partitioner.partitionCount
        var ends = [Int](repeating: 0, count: partitionCount + 2)
        for chunk in chunks {
            ends.withUnsafeMutableBufferPointer { ends in
                guard let counts = ends.baseAddress else { return }
                Self.forEachKey(chunk, partitioner) { _, _, partition in
                    counts[partition + 1] &+= 1
                }
            }
        }
        for partition in 1...partitionCount + 1 { ends[partition] += ends[partition - 1] }
        starts = ends
        words = Buffer(byteCount: ends[partitionCount + 1] * width * 8)
        let target = words.elements(as: Int64.self)
        ends.withUnsafeMutableBufferPointer { ends in
            guard let next = ends.baseAddress else { return }
            for chunk in chunks {
                Self.move(chunk, to: target, next: next, width: width, partitioner)
            }
        }
    }

    /// Calls `body(row, key, partition)` for all rows of a chunk.
    @inline(__always)
    private static func forEachKey<Partitioner: KeyPartitioner>(
        _ chunk: KeyedChunk, _ partitioner: Partitioner, _ body: (Int, Int64, Int) -> Void
    ) {
        let keys = chunk.key.pointer(as: Int64.self)
        if let validity = chunk.key.validity {
            let discarded = partitioner.partitionCount
            for row in 0..<chunk.key.count {
                let partition = partitioner.partition(of: keys[row])
                body(row, keys[row], validity[row] ? partition : discarded)
            }
        } else {
            for row in 0..<chunk.key.count {
                body(row, keys[row], partitioner.partition(of: keys[row]))
            }
        }
        withExtendedLifetime(chunk.key) {}
    }

    /// The shapes that occur most have loops of their own: a loop over columns per row costs more
    /// than the move.
    private static func move<Partitioner: KeyPartitioner>(
        _ chunk: KeyedChunk, to target: UnsafeMutablePointer<Int64>,
        next: UnsafeMutablePointer<Int>, width: Int, _ partitioner: Partitioner
    ) {
        let carried = chunk.carried.map { $0.pointer(as: Int64.self) }
        defer { withExtendedLifetime(chunk) {} }
        @inline(__always)
        func take(_ partition: Int) -> Int {
            let row = next[partition]
            next[partition] = row &+ 1
            return row
        }
        switch (carried.count, chunk.firstRow) {
        case (0, nil):
            forEachKey(chunk, partitioner) { _, key, partition in target[take(partition)] = key }
        case (0, let firstRow?):
            forEachKey(chunk, partitioner) { row, key, partition in
                let output = target + take(partition) &* 2
                output[0] = key
                output[1] = Int64(truncatingIfNeeded: firstRow &+ row)
            }
        case (1, nil):
            let first = carried[0]
            forEachKey(chunk, partitioner) { row, key, partition in
                let output = target + take(partition) &* 2
                output[0] = key
                output[1] = first[row]
            }
        case (2, nil):
            let (first, second) = (carried[0], carried[1])
            forEachKey(chunk, partitioner) { row, key, partition in
                let output = target + take(partition) &* 3
                output[0] = key
                output[1] = first[row]
                output[2] = second[row]
            }
        case (_, let firstRow):
            carried.withUnsafeBufferPointer { carried in
                forEachKey(chunk, partitioner) { row, key, partition in
                    let output = target + take(partition) &* width
                    output[0] = key
                    for index in 0..<carried.count { output[index + 1] = carried[index][row] }
                    if let firstRow {
                        output[width - 1] = Int64(truncatingIfNeeded: firstRow &+ row)
                    }
                }
            }
        }
    }
}
