// Rows by a condition, without a branch per row: filter, and the bits it works on.
import Glibc

extension Kernels {
    /// The rows where `mask`, a bool column, is true; null drops the row as false does.
    static func filter(_ table: Table, mask: Column) -> Table {
        precondition(mask.type == .bool && mask.count == table.rowCount, "not a mask of the table")
        let keep = mask.validity.map { mask.bits.and($0) } ?? mask.bits
        let count = keep.setCount
        if count == table.rowCount { return table }
        return Table(
            schema: table.schema,
            columns: table.columns.map { filter($0, keep, keeping: count) }, rowCount: count)
    }

    /// The values whose bit is set.
    static func filter(_ column: Column, _ keep: Bitmap) -> Column {
        filter(column, keep, keeping: keep.setCount)
    }

    /// The same, `count` bits being set.
    static func filter(_ column: Column, _ keep: Bitmap, keeping count: Int) -> Column {
        precondition(keep.count == column.count, "a bit per value")
        defer { withExtendedLifetime((column, keep)) {} }
        let validity = column.validity.map { compress($0, keep, keeping: count) }
        func values<Element: BitwiseCopyable>(_ type: Element.Type) -> Column {
            column.with(
                values: compress(column.pointer(as: type), keep, keeping: count), count: count,
                validity: validity)
        }
        switch column.type.layout {
        case .bytes8: return values(UInt64.self)
        case .bytes4: return values(UInt32.self)
        case .bytes2: return values(UInt16.self)
        case .bytes1: return values(UInt8.self)
        case .bits:
            return Column(
                type: .bool, count: count,
                values: compress(column.bits, keep, keeping: count).buffer, validity: validity)
        case .strings:
            return gather(column, setRows(keep, count: count))
        }
    }

    /// Positions of the set bits, ascending.
    static func setRows(_ bits: Bitmap, count: Int) -> RowIndices {
        let buffer = Buffer(byteCount: count * 8)
        let rows = buffer.elements(as: Int.self)
        var output = 0
        forEachWord(bits) { base, word, _ in
            var word = word
            while word != 0 {
                rows[output] = base + word.trailingZeroBitCount
                output += 1
                word &= word &- 1
            }
        }
        return RowIndices(buffer: buffer, count: count)
    }

    /// Calls `body(first position, bits, how many)` per 64 bits; bits beyond the end are clear.
    @inline(__always)
    static func forEachWord(_ bits: Bitmap, _ body: (Int, UInt64, Int) -> Void) {
        var base = 0
        while base < bits.count {
            let length = min(64, bits.count - base)
            let mask = length == 64 ? UInt64.max : 1 << UInt64(length) - 1
            body(base, bits.word(at: base) & mask, length)
            base += 64
        }
    }

    private static func compress<Element: BitwiseCopyable>(
        _ values: UnsafePointer<Element>, _ keep: Bitmap, keeping count: Int
    ) -> Buffer {
        let result = Buffer(byteCount: count * MemoryLayout<Element>.stride)
        compress(values, keep, to: result.elements(as: Element.self))
        return result
    }

    /// Writes the values whose bit is set, and up to seven values more: buffers' tails take them.
    /// - Parameter ahead: called with every 64th row, before its value is read.
    @inline(__always)
    static func compress<Element: BitwiseCopyable>(
        _ values: UnsafePointer<Element>, _ keep: Bitmap,
        to output: UnsafeMutablePointer<Element>, ahead: (Int) -> Void = { _ in }
    ) {
        var next = 0
        forEachWord(keep) { base, word, _ in
            ahead(base)
            if word == UInt64.max {
                memcpy(output + next, values + base, 64 * MemoryLayout<Element>.stride)
                next += 64
                return
            }
            // Eight at a time, however few are left: how many bits are set no branch foresees. What is
            // stored beyond the last is overwritten, or lies in the buffer's tail.
            var bits = word
            var target = output + next
            next &+= word.nonzeroBitCount
            while bits != 0 {
                for place in 0..<8 {
                    target[place] = values[base &+ (bits.trailingZeroBitCount & 63)]
                    bits &= bits &- 1
                }
                target += 8
            }
        }
    }

    private static func compress(_ bits: Bitmap, _ keep: Bitmap, keeping count: Int) -> Bitmap {
        let result = Buffer(zeroedByteCount: Bitmap.byteCount(count))
        let words = result.elements(as: UInt64.self)
        var next = 0
        forEachWord(keep) { base, word, _ in
            var word = word
            while word != 0 {
                let bit: UInt64 = bits[base + word.trailingZeroBitCount] ? 1 : 0
                words[next >> 6] |= bit << UInt64(next & 63)
                next += 1
                word &= word &- 1
            }
        }
        return Bitmap(buffer: result, count: count)
    }
}
