// Rows as CSV text (RFC 4180): what every rank writes of its part.

/// How to write a CSV file.
public struct CSVWriteOptions: Sendable, Equatable {
    /// The ASCII character between fields.
    public var delimiter: Character = ","
    /// Write the column names as the first line?
    public var hasHeader = true
    /// What stands for a null.
    public var nullSpelling = ""

    public init(delimiter: Character = ",", hasHeader: Bool = true, nullSpelling: String = "") {
        self.delimiter = delimiter
        self.hasHeader = hasHeader
        self.nullSpelling = nullSpelling
    }
}

/// Formats tables. Numbers are in their shortest form that reads back bit for bit, times in
/// ISO 8601 with `Z`, durations in microseconds. A string is quoted where it must be, and where it could be taken for a null.
struct CSVFormat {
    let delimiter: UInt8
    let nullSpelling: [UInt8]

    init(_ options: CSVWriteOptions) throws(FrameError) {
        delimiter = try checkedDelimiter(options.delimiter, operation: "writeCSV")
        nullSpelling = Array(options.nullSpelling.utf8)
    }

    func appendHeader(_ schema: Schema, to text: inout TextBuffer) {
        for (index, field) in schema.fields.enumerated() {
            if index > 0 { text.append(delimiter) }
            var name = field.name
            name.withUTF8 { append(string: $0, to: &text) }
        }
        text.append(lineFeed)
    }

    func append(_ table: Table, rows: Range<Int>, to text: inout TextBuffer) {
        let isAlone = table.columns.count == 1
        for row in rows {
            for (index, column) in table.columns.enumerated() {
                if index > 0 { text.append(delimiter) }
                if column.isNull(at: row) {
                    appendNull(isAlone: isAlone, to: &text)
                } else {
                    append(column, row, to: &text)
                }
            }
            text.append(lineFeed)
        }
    }

    /// An empty line would be skipped when read, so a lone null is written as `""`, as by pandas.
    private func appendNull(isAlone: Bool, to text: inout TextBuffer) {
        if nullSpelling.isEmpty && isAlone {
            text.append(quote)
            text.append(quote)
        } else {
            nullSpelling.withUnsafeBufferPointer { text.append($0) }
        }
    }

    private func append(_ column: Column, _ row: Int, to text: inout TextBuffer) {
        switch column.type {
        case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .duration:
            text.append(integer: column.int64(at: row) ?? 0)
        case .uint64: text.append("\(column.pointer(as: UInt64.self)[row])")
        case .float32: text.append("\(column.pointer(as: Float.self)[row])")
        case .float64: text.append("\(column.pointer(as: Double.self)[row])")
        case .bool: text.append(column.bits[row] ? "true" : "false")
        case .string, .category: append(string: column.utf8(at: row), to: &text)
        case .date:
            text.append(CivilDate(daysSince1970: Int(column.pointer(as: Int32.self)[row])))
        case .datetime:
            let microseconds = Int(column.pointer(as: Int64.self)[row])
            text.append(CivilDateTime(microsecondsSince1970: microseconds))
        }
    }

    private func append(string: UnsafeBufferPointer<UInt8>, to text: inout TextBuffer) {
        if !needsQuotes(string) {
            text.append(string)
            return
        }
        text.append(quote)
        for byte in string {
            if byte == quote { text.append(quote) }
            text.append(byte)
        }
        text.append(quote)
    }

    private func needsQuotes(_ string: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = string.first, let last = string.last else { return true }
        if isSpace(first) || isSpace(last) { return true }
        for byte in string
        where byte == delimiter || byte == quote || byte == lineFeed || byte == carriageReturn {
            return true
        }
        return string.elementsEqual(nullSpelling)
    }
}
