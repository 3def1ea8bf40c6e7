// Dense numbers for equal keys: the first half of groupBy and unique. An array indexed by key where
// keys are of a narrow range, a hash table where groups are few, else partitions that fit the cache.

/// Every row's group, numbered from 0. All null keys are one group.
struct Groups {
    /// UInt32 per row.
    let ids: Buffer
    let rowCount: Int
    let count: Int
    /// First row of each group, ascending: groups are numbered by their first row.
    let firstRows: RowIndices

    /// Groups the rows of int64 chunks by value, numbering rows through.
    init(codes chunks: [Column]) {
        var builder = GroupBuilder(chunks)
        builder.run()
        ids = builder.ids
        rowCount = builder.rowCount
        count = builder.count
        firstRows = RowIndices(buffer: builder.firstRows, count: builder.count)
    }
}

private struct GroupBuilder {
    let chunks: [Column]
    let rowCount: Int
    let ids: Buffer
    var firstRows: Buffer
    var count = 0

    /// Groups a hash table may have before it falls out of the cache.
    private static let directLimit = 1 << 15
    private static let directSlotCount = directLimit * 4

    init(_ chunks: [Column]) {
        self.chunks = chunks
        rowCount = chunks.reduce(0) { $0 + $1.count }
        ids = Buffer(byteCount: rowCount * 4)
        // One more, as rows are noted before it is known whether they begin a group.
        firstRows = Buffer(byteCount: (rowCount + 1) * 8)
    }

    mutating func run() {
        if let range = Kernels.keyRange(chunks) {
            if range.width < UInt64(max(2 * rowCount, 1 << 16)) {
                return groupByArray(minimum: range.minimum, width: Int(range.width))
            }
        } else {
            return groupByArray(minimum: 0, width: 0)
        }
        if !groupByTable() { groupByPartition() }
    }

    /// Calls `body(row, key, isValid)` for all rows.
    @inline(__always)
    private func forEachKey(_ body: (Int, Int64, Bool) -> Bool) -> Bool {
        var first = 0
        for chunk in chunks {
            let keys = chunk.pointer(as: Int64.self)
            if let validity = chunk.validity {
                for row in 0..<chunk.count where !body(first &+ row, keys[row], validity[row]) {
                    return false
                }
            } else {
                for row in 0..<chunk.count where !body(first &+ row, keys[row], true) {
                    return false
                }
            }
            withExtendedLifetime(chunk) {}
            first += chunk.count
        }
        return true
    }

    /// Slot 0 is for null, slot 1 for the least key.
    private mutating func groupByArray(minimum: Int64, width: Int) {
        let table = Buffer(zeroedByteCount: (width + 2) * 4)
        let slots = table.elements(as: UInt32.self)
        let ids = ids.elements(as: UInt32.self)
        let firstRows = firstRows.elements(as: Int.self)
        var count: UInt32 = 0
        _ = forEachKey { row, key, isValid in
            let slot = isValid ? Int(truncatingIfNeeded: key &- minimum) &+ 1 : 0
            let known = slots[slot]
            let isNew = known == 0
            firstRows[Int(truncatingIfNeeded: count)] = row
            count &+= UInt32(truncatingIfNeeded: unsafeBitCast(isNew, to: UInt8.self))
            let id = isNew ? count : known
            slots[slot] = id
            ids[row] = id &- 1
            return true
        }
        self.count = Int(count)
        withExtendedLifetime(table) {}
    }

    /// False if there are too many groups.
    private mutating func groupByTable() -> Bool {
        let slotCount = Self.directSlotCount
        let table = Buffer(zeroedByteCount: slotCount * 4)
        let keyBuffer = Buffer(byteCount: (Self.directLimit + 1) * 8)
        let slots = table.elements(as: UInt32.self)
        let keys = keyBuffer.elements(as: Int64.self)
        let ids = ids.elements(as: UInt32.self)
        let firstRows = firstRows.elements(as: Int.self)
        var count = 0
        var nullId: Int?
        defer { withExtendedLifetime((table, keyBuffer)) {} }
        let isDone = forEachKey { row, key, isValid in
            if !isValid {
                if nullId == nil {
                    nullId = count
                    // No slot leads here, so no key is compared with it.
                    firstRows[count] = row
                    count += 1
                }
                ids[row] = UInt32(truncatingIfNeeded: nullId ?? 0)
                return count <= Self.directLimit
            }
            var slot = Int(truncatingIfNeeded: hashInt64(key) >> 16) & (slotCount &- 1)
            while true {
                let id = Int(slots[slot])
                if id == 0 {
                    if count == Self.directLimit { return false }
                    keys[count] = key
                    firstRows[count] = row
                    ids[row] = UInt32(truncatingIfNeeded: count)
                    count &+= 1
                    slots[slot] = UInt32(truncatingIfNeeded: count)
                    return true
                }
                if keys[id &- 1] == key {
                    ids[row] = UInt32(truncatingIfNeeded: id &- 1)
                    return true
                }
                slot = (slot &+ 1) & (slotCount &- 1)
            }
        }
        self.count = count
        return isDone
    }

    private mutating func groupByPartition() {
        count = 0
        let partitioner = HashPartitioner(rowCount: rowCount)
        var firstRow = 0
        var keyed: [KeyedChunk] = []
        for chunk in chunks {
            keyed.append(KeyedChunk(key: chunk, carried: [], firstRow: firstRow))
            firstRow += chunk.count
        }
        let moved = RadixRows(keyed, as: RowLayout(wideFields: 2), by: partitioner)
        var table = Buffer(byteCount: 0)
        var keys = Buffer(byteCount: 0)
        for partition in 0..<partitioner.partitionCount {
            let rows = moved.rows(of: partition)
            let slotCount = partitioner.slotCount(rowCount: rows.count * 2)
            if table.byteCount < slotCount * 4 { table = Buffer(byteCount: slotCount * 4) }
            if keys.byteCount < rows.count * 8 { keys = Buffer(byteCount: rows.count * 8) }
            group(moved, rows, slotCount: slotCount, table: table, keys: keys)
        }
        groupNulls(moved, moved.rows(of: partitioner.partitionCount))
        renumber()
    }

    /// Numbers groups by their first row instead of by partition: then accumulators are met, and
    /// keys gathered, nearly in order of memory.
    private mutating func renumber() {
        let bits = Buffer(zeroedByteCount: Bitmap.byteCount(rowCount))
        let words = bits.elements(as: UInt64.self)
        let firsts = firstRows.elements(as: Int.self)
        for group in 0..<count { words[firsts[group] >> 6] |= 1 &<< UInt64(firsts[group] & 63) }
        let wordCount = Bitmap.byteCount(rowCount) / 8
        let rankBuffer = Buffer(byteCount: wordCount * 4)
        let ranks = rankBuffer.elements(as: UInt32.self)
        var total: UInt32 = 0
        for word in 0..<wordCount {
            ranks[word] = total
            total &+= UInt32(truncatingIfNeeded: words[word].nonzeroBitCount)
        }
        let numberBuffer = Buffer(byteCount: count * 4)
        let numbers = numberBuffer.elements(as: UInt32.self)
        for group in 0..<count {
            let row = firsts[group]
            let below = words[row >> 6] & (1 &<< UInt64(row & 63) &- 1)
            numbers[group] =
                ranks[row >> 6] &+ UInt32(truncatingIfNeeded: below.nonzeroBitCount)
        }
        let ids = ids.elements(as: UInt32.self)
        for row in 0..<rowCount { ids[row] = numbers[Int(ids[row])] }
        firstRows = Kernels.setRows(Bitmap(buffer: bits, count: rowCount), count: count).buffer
        withExtendedLifetime((rankBuffer, numberBuffer)) {}
    }

    private mutating func group(
        _ moved: RadixRows, _ rows: Range<Int>, slotCount: Int, table: Buffer, keys: Buffer
    ) {
        let source = moved.words.elements(as: Int64.self)
        let slots = table.elements(as: UInt32.self)
        for slot in 0..<slotCount { slots[slot] = 0 }
        let keys = keys.elements(as: Int64.self)
        let ids = ids.elements(as: UInt32.self)
        let firstRows = firstRows.elements(as: Int.self)
        let first = count
        var found = 0
        for position in rows {
            let key = source[position &* 2]
            let row = Int(truncatingIfNeeded: source[position &* 2 &+ 1])
            var slot = Int(truncatingIfNeeded: hashInt64(key) >> 16) & (slotCount &- 1)
            while true {
                let id = Int(slots[slot])
                if id == 0 {
                    keys[found] = key
                    firstRows[first &+ found] = row
                    ids[row] = UInt32(truncatingIfNeeded: first &+ found)
                    found &+= 1
                    slots[slot] = UInt32(truncatingIfNeeded: found)
                    break
                }
                if keys[id &- 1] == key {
                    ids[row] = UInt32(truncatingIfNeeded: first &+ id &- 1)
                    break
                }
                slot = (slot &+ 1) & (slotCount &- 1)
            }
        }
        count += found
    }

    private mutating func groupNulls(_ moved: RadixRows, _ rows: Range<Int>) {
        if rows.isEmpty { return }
        let source = moved.words.elements(as: Int64.self)
        let ids = ids.elements(as: UInt32.self)
        for position in rows { ids[Int(source[position * 2 + 1])] = UInt32(count) }
        firstRows.elements(as: Int.self)[count] = Int(source[rows.lowerBound * 2 + 1])
        count += 1
    }
}
