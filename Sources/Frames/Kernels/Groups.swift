// Dense numbers for equal keys: the first half of groupBy and unique. An array indexed by key where
// keys are of a narrow range, a hash table where groups are few, else partitions that fit the cache.

/// Every row's group, numbered from 0. All null keys are one group.
struct Groups {
    /// UInt32 per row.
    let ids: Buffer
    let rowCount: Int
    let count: Int
    /// Groups are numbered by their first row; these are the first rows, in one form or the other.
    private let firsts: Firsts

    enum Firsts {
        case rows(RowIndices)
        /// A bit per row: cheaper where nearly every row is the first of its group.
        case bits(Bitmap)
    }

    /// Groups the rows of int64 chunks by value, numbering rows through.
    init(codes chunks: [Column]) {
        var builder = GroupBuilder(chunks)
        builder.run()
        ids = builder.ids
        rowCount = builder.rowCount
        count = builder.count
        firsts =
            builder.firstBits.map { .bits($0) }
            ?? .rows(RowIndices(buffer: builder.firstRows, count: builder.count))
    }

    /// First row of each group, ascending.
    var firstRows: RowIndices {
        switch firsts {
        case .rows(let rows): rows
        case .bits(let bits): Kernels.setRows(bits, count: count)
        }
    }

    /// The values of each group's first row.
    func firstValues(of column: Column) -> Column {
        switch firsts {
        case .rows(let rows): Kernels.gather(column, rows)
        case .bits(let bits): count == rowCount ? column : Kernels.filter(column, bits)
        }
    }
}

private struct GroupBuilder {
    let chunks: [Column]
    let rowCount: Int
    let ids: Buffer
    /// Int per group; unless there are `firstBits`.
    private(set) var firstRows: Buffer
    private(set) var firstBits: Bitmap?
    private(set) var count = 0

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

    /// Numbers first rows in order, then looks up the others'.
    private mutating func groupByPartition() {
        let distinct = DistinctRows(codes: chunks, notesRepeats: true)
        count = distinct.count
        firstBits = distinct.firsts
        firstRows = Buffer(byteCount: 0)
        let ids = ids.elements(as: UInt32.self)
        var next: UInt32 = 0
        Kernels.forEachWord(distinct.firsts) { base, word, length in
            var bits = word
            for row in base..<base &+ length {
                ids[row] = next
                next &+= UInt32(truncatingIfNeeded: bits & 1)
                bits >>= 1
            }
        }
        distinct.forEachRepeat { row, first in ids[row] = ids[first] }
    }
}
