// Benchmarks' inputs beyond plain numbers: texts, skewed keys, columns with nulls. Like the numbers
// they depend on (seed, frame, column, global row) only, and numpy makes the same.

extension CounterGenerator {
    /// The string column of global rows `rows`: `prefix`, then a number uniform in `1 ... bound` in
    /// `digits` decimal digits. Local; a pass of writing.
    public func text(prefix: String, digits: Int, below bound: Int64, rows: Range<Int>) -> Column {
        let prefix = Array(prefix.utf8)
        let width = prefix.count + digits
        let numbers = uniform(below: bound, rows: rows)
        let values = numbers.pointer(as: Int64.self)
        let offsetBuffer = Buffer(byteCount: (rows.count + 1) * 8)
        let offsets = offsetBuffer.elements(as: Int64.self)
        let text = Buffer(byteCount: rows.count * width)
        let bytes = text.elements(as: UInt8.self)
        for index in 0..<rows.count {
            offsets[index] = Int64(index * width)
            let start = bytes + index * width
            for position in prefix.indices { start[position] = prefix[position] }
            var rest = values[index] + 1
            for position in stride(from: width - 1, through: prefix.count, by: -1) {
                start[position] = UInt8(truncatingIfNeeded: rest % 10) + 0x30
                rest /= 10
            }
        }
        offsets[rows.count] = Int64(rows.count * width)
        withExtendedLifetime(numbers) {}
        return Column(type: .string, count: rows.count, values: text, offsets: offsetBuffer)
    }

    /// The int64 column of global rows `rows` in `0 ..< 2^bits`, small ones frequent as by Zipf's
    /// law: each power of two has as many rows as any other, uniform within it. In whole numbers
    /// only, so that every language makes the same. Local; a pass of writing.
    public func skewed(bits: Int, rows: Range<Int>) -> Column {
        precondition((1...32).contains(bits), "\(bits) bits")
        let buffer = Buffer(byteCount: rows.count * 8)
        let values = buffer.elements(as: UInt64.self)
        for index in 0..<rows.count {
            let word = word(rows.lowerBound &+ index)
            let exponent = ((word & 0xFFFF_FFFF) &* UInt64(bits)) >> 32
            let power = 1 << exponent as UInt64
            values[index] = (power | (word >> 32) & (power &- 1)) &- 1
        }
        return Column(type: .int64, count: rows.count, values: buffer)
    }

    /// `column`, which holds global rows `rows`, with nulls: each value is one with a probability of
    /// `percent` in a hundred. Local; a pass of writing.
    public func withNulls(_ column: Column, percent: Int, rows: Range<Int>) -> Column {
        precondition(column.count == rows.count, "a row per value")
        let limit = UInt64(percent) << 32 / 100
        let validity = Bitmap(count: rows.count) { word(rows.lowerBound &+ $0) >> 32 >= limit }
        return column.with(validity: validity)
    }
}
