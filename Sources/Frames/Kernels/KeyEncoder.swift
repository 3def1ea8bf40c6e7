// Keys of several columns as one number per row, in the order of the keys: digits of which each is as
// wide as its column's range. Made block by block where it is used, so that numbers need not be
// written to memory and read again.

/// How rows of some columns are numbered.
struct KeyEncoder {
    private enum Digit {
        case integer(minimum: Int64)
        case text(TextDigits)
    }
    private struct Part {
        let digit: Digit
        /// Values a digit may take, null included.
        let radix: UInt64
        /// Added to a value's digit: 1 if 0 stands for null.
        let offset: UInt64
        /// Nil if there are no nulls.
        let null: UInt64?
        /// The greatest digit, if digits count down from it.
        let descendsFrom: UInt64?
    }

    private let columns: [Column]
    private let parts: [Part]
    /// Numbers are below it.
    let limit: UInt64

    /// The greatest limit there may be.
    static let limit: UInt64 = 1 << 62

    /// Numbers that are equal where rows are, null being a value like any other. Reads all columns
    /// once. Nil if they are of types without digits, or numbers would not fit.
    init?(_ columns: [Column]) {
        self.init(digitsOf: columns.map { $0.type == .string ? $0 : Kernels.widened($0) }, nil)
    }

    /// Numbers in the order of the rows; nil also if a column's order is not that of its digits.
    init?(_ columns: [Column], order: [ColumnOrder]) {
        var ordered: [Column] = []
        for (column, key) in zip(columns, order) {
            guard let digits = Self.ordered(column, descending: key.descending) else { return nil }
            ordered.append(digits)
        }
        self.init(digitsOf: ordered, order)
    }

    private init?(digitsOf columns: [Column], _ order: [ColumnOrder]?) {
        var parts: [Part] = []
        var limit: UInt64 = 1
        for (index, column) in columns.enumerated() {
            guard let (digit, count) = Self.digit(of: column) else { return nil }
            let hasNulls = column.validity != nil
            let nullsFirst = order?[index].nullsFirst ?? true
            let part = Part(
                digit: digit, radix: count + (hasNulls ? 1 : 0),
                offset: hasNulls && nullsFirst ? 1 : 0,
                null: hasNulls ? (nullsFirst ? 0 : count) : nil,
                descendsFrom: order?[index].descending == true ? count - 1 : nil)
            let (product, overflow) = limit.multipliedReportingOverflow(by: part.radix)
            guard !overflow, product <= Self.limit else { return nil }
            limit = product
            parts.append(part)
        }
        self.columns = columns
        self.parts = parts
        self.limit = limit
    }

    /// A column as strings or int64 in its order.
    private static func ordered(_ column: Column, descending: Bool) -> Column? {
        if column.dictionary != nil { return nil }
        switch column.type.storage {
        case .strings: return column
        case .uint64: return Kernels.flipped(Kernels.widened(column))
        case .float32, .float64:
            let wide = Kernels.widened(column)
            let values = wide.pointer(as: Double.self)
            let buffer = Buffer(byteCount: column.count * 8)
            let words = buffer.elements(as: UInt64.self)
            var hasNaN = false
            for row in 0..<column.count {
                words[row] = Kernels.orderedWord(values[row]) ^ 1 << 63
                hasNaN = hasNaN || values[row].isNaN
            }
            withExtendedLifetime(wide) {}
            // NaN comes last in either direction.
            if hasNaN && descending { return nil }
            return Column(
                type: .int64, count: column.count, values: buffer, validity: column.validity)
        default: return Kernels.widened(column)
        }
    }

    /// What a column's digit is, and how many values it has.
    private static func digit(of column: Column) -> (Digit, UInt64)? {
        switch column.type {
        case .int64:
            let range = Kernels.keyRange([column]) ?? (minimum: 0, width: 0)
            guard range.width < limit else { return nil }
            return (.integer(minimum: range.minimum), range.width + 1)
        case .string:
            var profile = TextProfile()
            guard profile.add(column), let digits = TextDigits(profile) else { return nil }
            return (.text(digits), digits.limit)
        default: return nil
        }
    }

    /// Writes the numbers of rows `rows`.
    func encode(_ rows: Range<Int>, to numbers: UnsafeMutablePointer<UInt64>) {
        for index in parts.indices {
            if index == 0 {
                encode(parts[index], columns[index], rows, isFirst: true, numbers)
            } else {
                encode(parts[index], columns[index], rows, isFirst: false, numbers)
            }
        }
    }

    @inline(__always)
    private func encode(
        _ part: Part, _ column: Column, _ rows: Range<Int>, isFirst: Bool,
        _ numbers: UnsafeMutablePointer<UInt64>
    ) {
        @inline(__always)
        func put(_ index: Int, _ digit: UInt64) {
            numbers[index] = isFirst ? digit : numbers[index] &* part.radix &+ digit
        }
        if part.null == nil && part.descendsFrom == nil {
            return forEachDigit(part, column, rows, put)
        }
        let (flip, last): (UInt64, UInt64) = part.descendsFrom.map { (.max, $0 &+ 1) } ?? (0, 0)
        let null = part.null ?? 0
        let validity = column.validity
        forEachDigit(part, column, rows) { index, digit in
            let isValid = validity.map { $0[rows.lowerBound &+ index] } ?? true
            let mask = 0 &- UInt64(truncatingIfNeeded: unsafeBitCast(isValid, to: UInt8.self))
            // last − 1 − digit, or the digit.
            let digit = (digit ^ flip) &+ last &+ part.offset
            put(index, (digit ^ null) & mask ^ null)
        }
    }

    /// Calls `body(index, digit)`, index counting from 0; a null's digit is unspecified.
    @inline(__always)
    private func forEachDigit(
        _ part: Part, _ column: Column, _ rows: Range<Int>, _ body: (Int, UInt64) -> Void
    ) {
        defer { withExtendedLifetime(column) {} }
        switch part.digit {
        case .integer(let minimum):
            let values = column.pointer(as: Int64.self) + rows.lowerBound
            for index in 0..<rows.count {
                body(index, UInt64(bitPattern: values[index] &- minimum))
            }
        case .text(let digits): digits.forEach(column, rows, body)
        }
    }

    /// Rows encoded at a time: their numbers stay in the first-level cache.
    static let blockRowCount = 1024

    /// If numbers are those of one int64 column without nulls: the value whose number is 0, and
    /// whether values decrease from there. Nil otherwise.
    var singleInteger: (start: Int64, descends: Bool)? {
        guard parts.count == 1, parts[0].null == nil, case .integer(let minimum) = parts[0].digit
        else { return nil }
        if let last = parts[0].descendsFrom {
            return (minimum &+ Int64(bitPattern: last), true)
        }
        return (minimum, false)
    }

    /// All numbers, as int64 without nulls.
    func column() -> Column {
        let rowCount = columns[0].count
        let buffer = Buffer(byteCount: rowCount * 8)
        let numbers = buffer.elements(as: UInt64.self)
        var row = 0
        while row < rowCount {
            let end = min(row + Self.blockRowCount, rowCount)
            encode(row..<end, to: numbers + row)
            row = end
        }
        return Column(type: .int64, count: rowCount, values: buffer)
    }
}
