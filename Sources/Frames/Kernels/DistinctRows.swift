// Which rows are the first of their key: all that unique asks for, and what groups are numbered by.
// A bit per row is written instead of a number, and rows that repeat a key are noted by themselves, so
// that nearly distinct keys cost hardly more than finding out that they are.

struct DistinctRows {
    /// A bit per row, set for the first row of each key.
    let firsts: Bitmap
    /// How many keys there are.
    let count: Int
    /// Pairs of UInt32: a row that repeats a key, and the first row of that key.
    private let repeats: Buffer
    private let repeatCount: Int

    /// Rows of int64 chunks, numbered through; null is a key like any other.
    /// - Parameter notesRepeats: whether `forEachRepeat` will be asked.
    init(codes chunks: [Column], notesRepeats: Bool) {
        var finder = RepeatFinder(chunks, notesRepeats: notesRepeats)
        finder.run(chunks)
        firsts = finder.firsts
        count = finder.rowCount - finder.repeatCount
        repeats = finder.repeats
        repeatCount = notesRepeats ? finder.repeatCount : 0
    }

    /// Rows numbered by `encoder`, by a bit per number there may be; nil if these are too many.
    init?(_ encoder: KeyEncoder, rowCount: Int) {
        guard encoder.limit <= UInt64(max(rowCount, 1 << 12)) * Self.bitsPerRow else { return nil }
        let seenBuffer = Buffer(zeroedByteCount: Bitmap.byteCount(Int(encoder.limit)))
        let seen = seenBuffer.elements(as: UInt64.self)
        let numberBuffer = Buffer(byteCount: KeyEncoder.blockRowCount * 8)
        let numbers = numberBuffer.elements(as: UInt64.self)
        let result = Buffer(byteCount: Bitmap.byteCount(rowCount))
        let words = result.elements(as: UInt64.self)
        var row = 0
        var count = 0
        while row < rowCount {
            let end = min(row + KeyEncoder.blockRowCount, rowCount)
            encoder.encode(row..<end, to: numbers)
            for start in stride(from: row, to: end, by: 64) {
                var word: UInt64 = 0
                for position in 0..<min(64, end - start) {
                    let number = numbers[start &- row &+ position]
                    let place = Int(truncatingIfNeeded: number >> 6)
                    let bits = seen[place]
                    let bit = number & 63
                    word |= (~bits &>> bit & 1) &<< UInt64(truncatingIfNeeded: position)
                    seen[place] = bits | 1 &<< bit
                }
                words[start >> 6] = word
                count &+= word.nonzeroBitCount
            }
            row = end
        }
        withExtendedLifetime((seenBuffer, numberBuffer)) {}
        firsts = Bitmap(buffer: result, count: rowCount)
        self.count = count
        repeats = Buffer(byteCount: 0)
        repeatCount = 0
    }

    /// Bits for numbers that may occur, per row: more would not stay in the cache.
    private static let bitsPerRow: UInt64 = 8

    /// Calls `body(row, first row of its key)` for rows that repeat a key.
    @inline(__always)
    func forEachRepeat(_ body: (Int, Int) -> Void) {
        let pairs = repeats.elements(as: UInt32.self)
        for index in 0..<repeatCount { body(Int(pairs[index &* 2]), Int(pairs[index &* 2 &+ 1])) }
        withExtendedLifetime(repeats) {}
    }
}

/// Finds rows that repeat a key, partition by partition.
private struct RepeatFinder {
    let rowCount: Int
    let firsts: Bitmap
    private let notesRepeats: Bool
    private(set) var repeats = Buffer(byteCount: 0)
    private(set) var repeatCount = 0
    private var capacity = 0

    /// A key, then its row: 12 bytes.
    private static let layout = RowLayout(narrow: [false, true])

    init(_ chunks: [Column], notesRepeats: Bool) {
        rowCount = chunks.reduce(0) { $0 + $1.count }
        firsts = Bitmap(repeating: true, count: rowCount)
        self.notesRepeats = notesRepeats
    }

    mutating func run(_ chunks: [Column]) {
        let partitioner = HashPartitioner(rowCount: rowCount)
        var firstRow = 0
        var keyed: [KeyedChunk] = []
        for chunk in chunks {
            keyed.append(KeyedChunk(key: chunk, carried: [], firstRow: firstRow))
            firstRow += chunk.count
        }
        let moved = RadixRows(keyed, as: Self.layout, by: partitioner)
        var table = Buffer(byteCount: 0)
        for partition in 0..<partitioner.partitionCount {
            let rows = moved.rows(of: partition)
            let slotCount = partitioner.slotCount(rowCount: rows.count * 2)
            if table.byteCount < slotCount * 4 { table = Buffer(byteCount: slotCount * 4) }
            reserve(rows.count)
            find(moved, rows, slotCount: slotCount, table)
        }
        let nulls = moved.rows(of: partitioner.partitionCount)
        if nulls.count > 1 { findNulls(moved, nulls) }
    }

    private func row(_ source: UnsafePointer<UInt32>, _ position: Int) -> UInt32 {
        source[position &* Self.layout.width &+ 2]
    }

    private mutating func find(
        _ moved: RadixRows, _ rows: Range<Int>, slotCount: Int, _ table: Buffer
    ) {
        let width = Self.layout.width
        let source = UnsafePointer(moved.words.elements(as: UInt32.self)) + rows.lowerBound * width
        let slots = table.elements(as: UInt32.self)
        for slot in 0..<slotCount { slots[slot] = 0 }
        let words = firsts.buffer.elements(as: UInt64.self)
        let pairs = repeats.elements(as: UInt32.self)
        var found = repeatCount
        let notesRepeats = notesRepeats
        for position in 0..<rows.count {
            let key = WideField.load(source + position &* width)
            var slot = Int(truncatingIfNeeded: hashInt64(key) >> 16) & (slotCount &- 1)
            while true {
                let known = Int(slots[slot])
                if known == 0 {
                    slots[slot] = UInt32(truncatingIfNeeded: position &+ 1)
                    break
                }
                if WideField.load(source + (known &- 1) &* width) == key {
                    let repeated = row(source, position)
                    words[Int(repeated >> 6)] &= ~(1 &<< UInt64(repeated & 63))
                    if notesRepeats {
                        pairs[found &* 2] = repeated
                        pairs[found &* 2 &+ 1] = row(source, known &- 1)
                    }
                    found &+= 1
                    break
                }
                slot = (slot &+ 1) & (slotCount &- 1)
            }
        }
        repeatCount = found
    }

    private mutating func findNulls(_ moved: RadixRows, _ rows: Range<Int>) {
        reserve(rows.count)
        let width = Self.layout.width
        let source = UnsafePointer(moved.words.elements(as: UInt32.self)) + rows.lowerBound * width
        let words = firsts.buffer.elements(as: UInt64.self)
        let pairs = repeats.elements(as: UInt32.self)
        for position in 1..<rows.count {
            let repeated = row(source, position)
            words[Int(repeated >> 6)] &= ~(1 &<< UInt64(repeated & 63))
            if notesRepeats {
                pairs[repeatCount &* 2] = repeated
                pairs[repeatCount &* 2 &+ 1] = row(source, 0)
            }
            repeatCount += 1
        }
    }

    /// Makes room for as many more repeats.
    private mutating func reserve(_ additional: Int) {
        guard notesRepeats, repeatCount + additional > capacity else { return }
        capacity = max(repeatCount + additional, capacity * 2)
        let larger = Buffer(byteCount: capacity * 8)
        larger.pointer.copyMemory(from: repeats.pointer, byteCount: repeatCount * 8)
        repeats = larger
    }
}
