// Which rank each row goes to, and the passes that take a column's values there. Rows keep their
// order within a destination.
import Glibc

/// A destination rank per row.
struct Destinations {
    /// UInt16 per row.
    private let ranks: Buffer
    let rowCount: Int
    /// Rows per destination.
    let counts: [Int]

    /// Row i goes to `rank(i)`.
    @inline(__always)
    init(rowCount: Int, rankCount: Int, rank: (Int) -> Int) {
        let buffer = Buffer(byteCount: rowCount * 2)
        let ranks = buffer.elements(as: UInt16.self)
        var counts = [Int](repeating: 0, count: rankCount)
        counts.withUnsafeMutableBufferPointer { counts in
            for row in 0..<rowCount {
                let rank = rank(row)
                ranks[row] = UInt16(truncatingIfNeeded: rank)
                counts[rank] &+= 1
            }
        }
        self.ranks = buffer
        self.rowCount = rowCount
        self.counts = counts
    }

    /// By the hash of `keys`: rows with equal keys go to one rank.
    init(hashing keys: [Column], rowCount: Int, rankCount: Int) {
        let divisor = UInt64(rankCount)
        if keys.count == 1, keys[0].type.isInt64, keys[0].validity == nil {
            let values = keys[0].pointer(as: Int64.self)
            self.init(rowCount: rowCount, rankCount: rankCount) { row in
                Self.rank(ofHash: hashInt64(values[row]), divisor)
            }
            withExtendedLifetime(keys) {}
            return
        }
        let hashes = Kernels.rowHashes(keys)
        let values = hashes.elements(as: UInt64.self)
        self.init(rowCount: rowCount, rankCount: rankCount) { row in
            Self.rank(ofHash: values[row], divisor)
        }
        withExtendedLifetime(hashes) {}
    }

    /// By the block of an integer key; nulls, which match nothing, to rank 0.
    init(_ blocks: KeyBlocks, of key: Column) {
        let key = Kernels.widened(key)
        let values = key.pointer(as: Int64.self)
        self.init(rowCount: key.count, rankCount: blocks.rankCount) { row in
            key.isNull(at: row) ? 0 : blocks.rank(of: values[row])
        }
        withExtendedLifetime(key) {}
    }

    /// By the number of keys: by its block, or its hash. Rows that have none, and so no equals among
    /// those that have, by the common hash of their keys.
    init(
        _ numbering: KeyNumbering, _ blocks: KeyBlocks?, of keys: [Column], rowCount: Int,
        rankCount: Int
    ) {
        let digits = keys.map(KeyEncoder.digits)
        let hasNumber = numbering.contains(digits, rowCount: rowCount)
        let numbers = KeyEncoder(digits, by: numbering).column()
        let values = numbers.pointer(as: Int64.self)
        let hashes = hasNumber == nil ? Buffer(byteCount: 0) : Kernels.rowHashes(keys)
        let ofKeys = hashes.elements(as: UInt64.self)
        let divisor = UInt64(rankCount)
        self.init(rowCount: rowCount, rankCount: rankCount) { row in
            if let hasNumber, !hasNumber[row] { return Self.rank(ofHash: ofKeys[row], divisor) }
            return blocks.map { $0.rank(of: values[row]) }
                ?? Self.rank(ofHash: hashInt64(values[row]), divisor)
        }
        withExtendedLifetime((numbers, hashes)) {}
    }

    /// The top bits of the hash, scaled to the number of ranks.
    @inline(__always)
    static func rank(ofHash hash: UInt64, _ rankCount: UInt64) -> Int {
        Int(truncatingIfNeeded: hash.multipliedFullWidth(by: rankCount).high)
    }

    // MARK: Passes

    private func withCursors<Element: BitwiseCopyable>(
        _ targets: [UnsafeMutableRawPointer], _ type: Element.Type,
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<Element>>) -> Void
    ) {
        var cursors = targets.map { $0.assumingMemoryBound(to: type) }
        cursors.withUnsafeMutableBufferPointer { cursors in
            if let base = cursors.baseAddress { body(base) }
        }
    }

    /// Appends each value to its destination.
    func scatter<Element: BitwiseCopyable>(
        _ values: UnsafePointer<Element>, to targets: [UnsafeMutableRawPointer]
    ) {
        let ranks = ranks.elements(as: UInt16.self)
        withCursors(targets, Element.self) { cursors in
            for row in 0..<rowCount {
                let rank = Int(ranks[row])
                let cursor = cursors[rank]
                cursor.pointee = values[row]
                cursors[rank] = cursor + 1
            }
        }
        withExtendedLifetime(self.ranks) {}
    }

    /// Appends each bit to its destination.
    func scatterBits(_ bits: Bitmap, to targets: [UnsafeMutableRawPointer]) {
        let ranks = ranks.elements(as: UInt16.self)
        for (target, count) in zip(targets, counts) {
            memset(target, 0, Bitmap.byteCount(count))
        }
        var positions = [Int](repeating: 0, count: counts.count)
        withCursors(targets, UInt8.self) { targets in
            positions.withUnsafeMutableBufferPointer { positions in
                for row in 0..<rowCount {
                    let rank = Int(ranks[row])
                    let position = positions[rank]
                    targets[rank][position >> 3] |= (bits[row] ? 1 : 0) << UInt8(position & 7)
                    positions[rank] = position &+ 1
                }
            }
        }
        withExtendedLifetime((self.ranks, bits)) {}
    }

    /// Bytes of a string column's values, per destination.
    func stringBytes(_ column: Column) -> [Int] {
        let ranks = ranks.elements(as: UInt16.self)
        let offsets = column.stringOffsets
        var totals = [Int](repeating: 0, count: counts.count)
        totals.withUnsafeMutableBufferPointer { totals in
            for row in 0..<rowCount {
                totals[Int(ranks[row])] &+= Int(offsets[row + 1] &- offsets[row])
            }
        }
        withExtendedLifetime((self.ranks, column)) {}
        return totals
    }

    /// Appends each string, offsets and bytes, to its destination.
    func scatterStrings(
        _ column: Column, offsets: [UnsafeMutableRawPointer], bytes: [UnsafeMutableRawPointer]
    ) {
        let ranks = ranks.elements(as: UInt16.self)
        let source = column.stringOffsets
        let text = column.stringBytes
        for (target, count) in zip(offsets, counts) where count > 0 {
            target.storeBytes(of: 0, as: Int64.self)
        }
        withCursors(offsets, Int64.self) { cursors in
            withCursors(bytes, UInt8.self) { starts in
                for row in 0..<rowCount {
                    let rank = Int(ranks[row])
                    let cursor = cursors[rank]
                    let count = Int(source[row + 1] &- source[row])
                    let position = Int(cursor.pointee)
                    // A message has spare bytes behind its strings for the excess.
                    Kernels.copyString(
                        from: text + Int(source[row]), to: starts[rank], at: position,
                        count: count)
                    cursor[1] = Int64(position &+ count)
                    cursors[rank] = cursor + 1
                }
            }
        }
        withExtendedLifetime((self.ranks, column)) {}
    }
}
