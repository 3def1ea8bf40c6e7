// Keys of several columns as one number per row, in the order of the keys. Made block by block where it
// is used, so that numbers need not be written to memory and read again.

/// The rows of some columns as their numbers.
struct KeyEncoder {
    private let columns: [Column]
    let numbering: KeyNumbering
    /// Numbers are below it.
    var limit: UInt64 { numbering.limit }

    /// Numbers that are equal where rows are, null being a value like any other. Reads all columns
    /// once. Nil if they are of types without digits, or numbers would not fit.
    init?(_ columns: [Column]) {
        self.columns = columns.map(Self.digits)
        var numbering = KeyNumbering()
        for column in self.columns {
            guard let profile = KeyProfile(column), numbering.append(profile) else { return nil }
        }
        self.numbering = numbering
    }

    private init(ofDigits columns: [Column], _ numbering: KeyNumbering) {
        self.columns = columns
        self.numbering = numbering
    }

    /// An encoder per chunk of rows, whose numbers are in the order of all chunks' rows together; nil
    /// also if a column's order is not that of its digits.
    static func encoders(
        _ chunks: [[Column]], order: [ColumnOrder]
    ) -> [KeyEncoder]? {
        var numbering = KeyNumbering()
        var digits: [[Column]] = chunks.map { _ in [] }
        for (index, key) in order.enumerated() {
            var whole: KeyProfile?
            for (chunk, columns) in chunks.enumerated() {
                guard let column = ordered(columns[index], descending: key.descending),
                    let profile = KeyProfile(column)
                else { return nil }
                digits[chunk].append(column)
                whole?.add(profile)
                whole = whole ?? profile
            }
            guard let whole, numbering.append(whole, order: key) else { return nil }
        }
        return digits.map { KeyEncoder(ofDigits: $0, numbering) }
    }

    /// - Parameter numbering: of rows whose values it `contains`; others get any number.
    init(_ columns: [Column], by numbering: KeyNumbering) {
        self.columns = columns.map(Self.digits)
        self.numbering = numbering
    }

    /// A column as those that have profiles: strings or, where it is of another type with digits,
    /// int64.
    static func digits(_ column: Column) -> Column {
        column.type == .string ? column : Kernels.widened(column)
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

    /// Writes the numbers of rows `rows`.
    func encode(_ rows: Range<Int>, to numbers: UnsafeMutablePointer<UInt64>) {
        for (index, part) in numbering.parts.enumerated() {
            if index == 0 {
                encode(part, columns[index], rows, isFirst: true, numbers)
            } else {
                encode(part, columns[index], rows, isFirst: false, numbers)
            }
        }
    }

    @inline(__always)
    private func encode(
        _ part: KeyNumbering.Part, _ column: Column, _ rows: Range<Int>, isFirst: Bool,
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
        _ part: KeyNumbering.Part, _ column: Column, _ rows: Range<Int>,
        _ body: (Int, UInt64) -> Void
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
