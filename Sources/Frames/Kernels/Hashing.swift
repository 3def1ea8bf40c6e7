// The one hash of keys. Its top 12 bits choose the rank, bits 40 to 51 the local partition, lower
// ones the slot of a table: a shuffle is the first radix pass, and no bit is used twice.

/// Pure, single-threaded functions on columns; what operators are made of.
enum Kernels {}

/// Hash of one 64-bit key. A bijection, so that different keys collide in some bits only.
@inline(__always)
func hashInt64(_ value: Int64) -> UInt64 {
    hashWord(UInt64(bitPattern: value))
}

@inline(__always)
func hashWord(_ value: UInt64) -> UInt64 {
    // Two odd multipliers (splitmix64's and the golden ratio) around a fold of the high half: the
    // bits used above depend on all bits of the key.
    let first = value &* 0xBF58_476D_1CE4_E5B9
    return (first ^ first >> 32) &* 0x9E37_79B9_7F4A_7C15
}

/// What a null hashes to.
let nullHash: UInt64 = 0x6E75_6C6C_5F68_6173

/// Hash of several values from the hash of the ones before and of the next.
@inline(__always)
func combineHashes(_ previous: UInt64, _ next: UInt64) -> UInt64 {
    hashWord((previous << 23 | previous >> 41) &+ next)
}

/// Both halves of a product, folded.
@inline(__always)
private func fold(_ first: UInt64, _ second: UInt64) -> UInt64 {
    let product = first.multipliedFullWidth(by: second)
    return product.high ^ product.low
}

/// Hash of a string. Reads whole words: up to 7 bytes beyond the string's end, which buffers allow.
@inline(__always)
func hashBytes(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    var hash = UInt64(truncatingIfNeeded: count) &* 0xA076_1D64_78BD_642F
    let raw = UnsafeRawPointer(bytes)
    var index = 0
    while index + 8 <= count {
        hash = fold(
            hash ^ raw.loadUnaligned(fromByteOffset: index, as: UInt64.self),
            0xE703_7ED1_A0B4_28DB)
        index += 8
    }
    if index < count {
        let rest =
            raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            & (1 << UInt64((count - index) * 8) - 1)
        hash = fold(hash ^ rest, 0x8EBC_6AF0_9C88_C6E3)
    }
    return hashWord(hash)
}

/// A float64's bits with one form for zero and one for NaN: equal values, equal bits.
@inline(__always)
func canonicalBits(_ value: Double) -> UInt64 {
    if value == 0 { return 0 }
    return value == value ? value.bitPattern : 0x7FF8_0000_0000_0000
}

extension Kernels {
    /// One hash per row of one or more columns of equal length, as UInt64. Nulls are equal to each
    /// other, −0 to 0, NaN to NaN. Of one integer, date or time column it is `hashInt64`.
    static func rowHashes(_ columns: [Column]) -> Buffer {
        precondition(!columns.isEmpty, "hash of no columns")
        let result = Buffer(byteCount: columns[0].count * 8)
        let hashes = result.elements(as: UInt64.self)
        for (position, column) in columns.enumerated() {
            if position == 0 {
                hashEach(column) { hashes[$0] = $1 }
            } else {
                hashEach(column) { hashes[$0] = combineHashes(hashes[$0], $1) }
            }
        }
        return result
    }

    /// Calls `body(row, hash)` for all rows.
    @inline(__always)
    static func hashEach(_ column: Column, _ body: (Int, UInt64) -> Void) {
        if let dictionary = column.dictionary {
            // As the strings hash, so that categories of different dictionaries meet.
            let hashes = dictionary.hashes()
            let byCode = hashes.elements(as: UInt64.self)
            let codes = column.pointer(as: UInt32.self)
            withNulls(column, hash: { row in byCode[Int(codes[row])] }, body: body)
            return withExtendedLifetime((column, hashes)) {}
        }
        switch column.type.storage {
        case .int64, .uint64:
            let values = column.pointer(as: Int64.self)
            withNulls(column, hash: { row in hashInt64(values[row]) }, body: body)
        case .int32:
            let values = column.pointer(as: Int32.self)
            withNulls(column, hash: { row in hashInt64(Int64(values[row])) }, body: body)
        case .float64:
            let values = column.pointer(as: Double.self)
            withNulls(column, hash: { row in hashWord(canonicalBits(values[row])) }, body: body)
        case .int8, .int16, .uint8, .uint16, .uint32, .bits:
            let wide = widened(column)
            let values = wide.pointer(as: Int64.self)
            withNulls(wide, hash: { row in hashInt64(values[row]) }, body: body)
        case .float32:
            let wide = widened(column)
            let values = wide.pointer(as: Double.self)
            withNulls(wide, hash: { row in hashWord(canonicalBits(values[row])) }, body: body)
        case .strings:
            let offsets = column.stringOffsets
            let bytes = column.stringBytes
            withNulls(
                column,
                hash: { row in
                    hashBytes(bytes + Int(offsets[row]), Int(offsets[row + 1] - offsets[row]))
                }, body: body)
        }
        withExtendedLifetime(column) {}
    }

    @inline(__always)
    private static func withNulls(
        _ column: Column, hash: (Int) -> UInt64, body: (Int, UInt64) -> Void
    ) {
        if let validity = column.validity {
            for row in 0..<column.count { body(row, validity[row] ? hash(row) : nullHash) }
        } else {
            for row in 0..<column.count { body(row, hash(row)) }
        }
    }
}
