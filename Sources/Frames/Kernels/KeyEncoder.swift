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
        /// 1 if 0 stands for null.
        let offset: UInt64
    }

    private let columns: [Column]
    private let parts: [Part]
    /// Numbers are below it.
    let limit: UInt64

    /// The greatest limit there may be.
    static let limit: UInt64 = 1 << 62

    /// Reads all columns once. Nil if they are of types without digits, or numbers would not fit.
    init?(_ columns: [Column]) {
        var parts: [Part] = []
        var limit: UInt64 = 1
        var plain: [Column] = []
        for column in columns {
            let column = column.type == .string ? column : Kernels.widened(column)
            guard let (digit, count) = Self.digit(of: column) else { return nil }
            plain.append(column)
            let offset: UInt64 = column.validity == nil ? 0 : 1
            let part = Part(digit: digit, radix: count + offset, offset: offset)
            let (product, overflow) = limit.multipliedReportingOverflow(by: part.radix)
            guard !overflow, product <= Self.limit else { return nil }
            limit = product
            parts.append(part)
        }
        self.columns = plain
        self.parts = parts
        self.limit = limit
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
        if part.offset == 0 {
            forEachDigit(part, column, rows) { index, digit in
                numbers[index] = isFirst ? digit : numbers[index] &* part.radix &+ digit
            }
        } else if let validity = column.validity {
            forEachDigit(part, column, rows) { index, digit in
                let bit: UInt64 = validity[rows.lowerBound &+ index] ? 1 : 0
                let digit = (digit &+ 1) & (0 &- bit)
                numbers[index] = isFirst ? digit : numbers[index] &* part.radix &+ digit
            }
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
