// What a caller may say about a CSV file. The defaults read what pandas writes, as pandas reads it.

/// How to read a CSV file (RFC 4180 with the habits of pandas).
public struct CSVOptions: Sendable, Equatable {
    /// The ASCII character between fields.
    public var delimiter: Character = ","
    /// Does the first line name the columns? Without it they are `column_1`, `column_2` …
    public var hasHeader = true
    /// The columns to keep, in this order; nil keeps all, in the file's order.
    public var columns: [String]?
    /// Types of columns that shall not be inferred. A value that is not of its column's type is
    /// then an error.
    public var types: [String: DataType] = [:]
    /// Texts that mean "no value".
    public var nullSpellings: [String] = CSVOptions.pandasNullSpellings
    /// Is a *quoted* null spelling a null too, as in pandas? If not, `""` is the empty string, and
    /// what `writeCSV` wrote with `nullSpelling: ""` reads back unchanged.
    public var quotedNulls = true

    /// Where ranks' ranges begin, instead of even shares: for tests of every possible split.
    package var boundaries: [Int]?
    /// Bytes read at a time; more where one record is longer.
    package var blockSize = 256 * 1024

    public init(
        delimiter: Character = ",", hasHeader: Bool = true, columns: [String]? = nil,
        types: [String: DataType] = [:],
        nullSpellings: [String] = CSVOptions.pandasNullSpellings, quotedNulls: Bool = true
    ) {
        self.delimiter = delimiter
        self.hasHeader = hasHeader
        self.columns = columns
        self.types = types
        self.nullSpellings = nullSpellings
        self.quotedNulls = quotedNulls
    }

    /// What `pandas.read_csv` takes for a missing value unless told otherwise.
    public static let pandasNullSpellings = [
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
        "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    ]
}

/// The delimiter as a byte.
/// - Throws: `invalidArgument` if it is not one ASCII character that can delimit.
func checkedDelimiter(
    _ delimiter: Character, operation: String, path: String? = nil
) throws(FrameError) -> UInt8 {
    if let byte = delimiter.asciiValue, byte != quote, byte != lineFeed, byte != carriageReturn {
        return byte
    }
    throw FrameError(
        .invalidArgument, operation: operation,
        reason: "the delimiter must be one ASCII character, no quote and no line end", path: path)
}

/// The null spellings, arranged for one quick refusal per field.
struct NullSpellings {
    /// Bit b of word w: some spelling starts with byte 64w + b.
    private var firstBytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    private var spellings: [[UInt8]] = []
    private var longest = 0
    let emptyIsNull: Bool
    /// Some spelling is also a value (-999), so nulls must be looked for before values.
    let hasValues: Bool

    init(_ texts: [String]) {
        emptyIsNull = texts.contains("")
        var hasValues = false
        for text in texts where !text.isEmpty {
            let bytes = Array(text.utf8)
            spellings.append(bytes)
            longest = max(longest, bytes.count)
            let bit: UInt64 = 1 << UInt64(bytes[0] & 63)
            switch bytes[0] >> 6 {
            case 0: firstBytes.0 |= bit
            case 1: firstBytes.1 |= bit
            case 2: firstBytes.2 |= bit
            default: firstBytes.3 |= bit
            }
            hasValues =
                hasValues
                || bytes.withUnsafeBufferPointer {
                    parseDouble($0) != nil || FieldKinds($0).isDisjoint(with: [.number, .string])
                }
        }
        self.hasValues = hasValues
    }

    @inline(__always)
    func contains(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        if text.count == 0 { return emptyIsNull }
        if text.count > longest { return false }
        let bit: UInt64 = 1 << UInt64(text[0] & 63)
        let word: UInt64
        switch text[0] >> 6 {
        case 0: word = firstBytes.0
        case 1: word = firstBytes.1
        case 2: word = firstBytes.2
        default: word = firstBytes.3
        }
        return word & bit != 0 && isSpelled(text)
    }

    @inline(never)
    private func isSpelled(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        spellings.contains { spelling in
            spelling.count == text.count && spelling.elementsEqual(text)
        }
    }
}
