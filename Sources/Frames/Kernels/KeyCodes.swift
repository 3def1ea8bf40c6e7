// Keys of any types and number as one int64 per row, equal exactly where the keys are: joins,
// groupings and unique then know one kind of key.
//
// A single fixed-width key is its own code. Strings are StringCodes' business. Several keys
// are digits of one number, each as wide as its range; where that overflows, the number so far is
// replaced by its rank among those that occur.

extension Kernels {
    /// Codes of both sides of a join, chunk by chunk; null where any key is null.
    static func joinCodes(
        _ left: [Table], _ right: [Table], _ leftKeys: [Int], _ rightKeys: [Int]
    ) -> (left: [Column], right: [Column]) {
        if leftKeys.count == 1 {
            let codes = singleKeyCodes(
                left.map { $0.columns[leftKeys[0]] } + right.map { $0.columns[rightKeys[0]] })
            return (Array(codes.prefix(left.count)), Array(codes.dropFirst(left.count)))
        }
        let pairs = zip(leftKeys, rightKeys).map { leftKey, rightKey in
            concat(left.map { $0.columns[leftKey] } + right.map { $0.columns[rightKey] })
        }
        let codes = keyCodes(pairs, nullsAreEqual: false)
        var row = 0
        func slices(_ tables: [Table]) -> [Column] {
            tables.map { table in
                defer { row += table.rowCount }
                return codes.slice(row..<row + table.rowCount)
            }
        }
        let leftCodes = slices(left)
        return (leftCodes, slices(right))
    }

    /// Codes of one key's chunks; null where the key is.
    static func singleKeyCodes(_ chunks: [Column]) -> [Column] {
        chunks[0].type == .string
            ? stringCodes(chunks) : Column.unified(chunks).map(plainCodes)
    }

    /// Codes of rows of several columns. If `nullsAreEqual` nulls are values like any other, else
    /// any null makes the code null.
    static func keyCodes(_ columns: [Column], nullsAreEqual: Bool) -> Column {
        if columns.count == 1 { return singleKeyCodes(columns)[0] }
        var validity: Bitmap?
        for column in columns where !nullsAreEqual {
            guard let bits = column.validity else { continue }
            validity = validity.map { $0.and(bits) } ?? bits
        }
        if let encoder = KeyEncoder(columns) { return encoder.column().with(validity: validity) }
        var digits = KeyDigits(rowCount: columns[0].count)
        for column in columns { digits.append(singleKeyCodes([column])[0]) }
        return digits.column.with(validity: validity)
    }

    /// A fixed-width key as int64, validity kept.
    static func plainCodes(_ column: Column) -> Column {
        let wide = widened(column)
        guard wide.type == .float64 else { return wide }
        let values = wide.pointer(as: Double.self)
        return codes(of: wide) { Int64(bitPattern: canonicalBits(values[$0])) }
    }

    @inline(__always)
    private static func codes(of column: Column, _ code: (Int) -> Int64) -> Column {
        let buffer = Buffer(byteCount: column.count * 8)
        let values = buffer.elements(as: Int64.self)
        for row in 0..<column.count { values[row] = code(row) }
        withExtendedLifetime(column) {}
        return Column(type: .int64, count: column.count, values: buffer, validity: column.validity)
    }
}

/// A mixed-radix number per row, grown digit by digit.
struct KeyDigits {
    private var buffer: Buffer
    private let rowCount: Int
    /// Numbers so far are below it.
    private var limit: UInt64 = 1

    var column: Column { Column(type: .int64, count: rowCount, values: buffer) }

    init(rowCount: Int) {
        self.rowCount = rowCount
        buffer = Buffer(zeroedByteCount: rowCount * 8)
    }

    /// Appends a digit: null is 0, the least value 1.
    mutating func append(_ codes: Column) {
        let range = Kernels.keyRange([codes]) ?? (minimum: 0, width: 0)
        let (radix, overflowed) = range.width.addingReportingOverflow(2)
        let (next, tooLarge) = limit.multipliedReportingOverflow(by: radix)
        if overflowed || tooLarge || next > UInt64(Int64.max) {
            return appendDense(codes)
        }
        let numbers = buffer.elements(as: UInt64.self)
        let values = codes.pointer(as: Int64.self)
        if let validity = codes.validity {
            for row in 0..<rowCount {
                let digit = UInt64(bitPattern: values[row] &- range.minimum) &+ 1
                numbers[row] = numbers[row] &* radix &+ (validity[row] ? digit : 0)
            }
        } else {
            for row in 0..<rowCount {
                let digit = UInt64(bitPattern: values[row] &- range.minimum) &+ 1
                numbers[row] = numbers[row] &* radix &+ digit
            }
        }
        withExtendedLifetime(codes) {}
        limit = next
    }

    /// Ranks what there is so far, and the digit, by first occurrence: then both are below the
    /// number of rows, and fit.
    private mutating func appendDense(_ codes: Column) {
        let soFar = Groups(codes: [column])
        let digit = Groups(codes: [codes])
        let numbers = buffer.elements(as: UInt64.self)
        let high = soFar.ids.elements(as: UInt32.self)
        let low = digit.ids.elements(as: UInt32.self)
        for row in 0..<rowCount {
            numbers[row] = UInt64(high[row]) &* UInt64(digit.count) &+ UInt64(low[row])
        }
        withExtendedLifetime((soFar, digit)) {}
        limit = UInt64(max(soFar.count, 1)) * UInt64(max(digit.count, 1))
    }
}
