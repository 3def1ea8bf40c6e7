// How the fields of a row lie side by side while rows move: 32-bit words, one for a field whose
// values all fit an int32, two for any other. Joins are bound by memory, and by the network, so a
// row of half the bytes is a join of little more than half the time.

/// The places of a row's fields, the key first.
struct RowLayout: Equatable {
    struct Field: Equatable {
        /// Its first 32-bit word within the row.
        let word: Int
        /// Is it one word, an int32, rather than two?
        let isNarrow: Bool
    }

    let fields: [Field]
    /// 32-bit words per row.
    let width: Int

    var byteWidth: Int { width * 4 }

    init(narrow: [Bool]) {
        var word = 0
        fields = narrow.map { isNarrow in
            defer { word += isNarrow ? 1 : 2 }
            return Field(word: word, isNarrow: isNarrow)
        }
        width = word
    }

    /// Every field as it is in its column.
    init(wideFields count: Int) {
        self.init(narrow: Array(repeating: false, count: count))
    }

    /// Do all fields but the key have one width, and which? Loops are compiled for these.
    var uniformCarried: Bool? {
        guard fields.count > 1 else { return true }
        let first = fields[1].isNarrow
        return fields.dropFirst().allSatisfy { $0.isNarrow == first } ? first : nil
    }

    @inline(__always)
    static func store(_ value: Int64, _ row: UnsafeMutablePointer<UInt32>, _ field: Field) {
        if field.isNarrow {
            NarrowField.store(value, row + field.word)
        } else {
            WideField.store(value, row + field.word)
        }
    }

    /// Stores a value; 0 exactly if it fits.
    @inline(__always)
    static func put(
        _ value: Int64, _ row: UnsafeMutablePointer<UInt32>, _ field: Field
    ) -> Int64 {
        store(value, row, field)
        return field.isNarrow ? NarrowField.excess(value) : 0
    }

    /// Rows looked at before a layout is chosen.
    private static let sampleCount = 1024

    /// Do the values look as if they all fit an int32? A sample tells; who relies on it checks
    /// each value as it moves (`RadixRows.fits`).
    static func looksNarrow(_ column: Column) -> Bool {
        let values = column.pointer(as: Int64.self)
        defer { withExtendedLifetime(column) {} }
        let step = max(1, column.count / sampleCount)
        var excess: Int64 = 0
        for row in stride(from: 0, to: column.count, by: step) {
            if let validity = column.validity, !validity[row] { continue }
            excess |= NarrowField.excess(values[row])
        }
        return excess == 0
    }
}

/// One of the two forms of a field, for loops that are compiled for it.
protocol RowField {
    static var wordCount: Int { get }
    static func load(_ words: UnsafePointer<UInt32>) -> Int64
    static func store(_ value: Int64, _ words: UnsafeMutablePointer<UInt32>)
    /// 0 exactly if the value survives being stored.
    static func excess(_ value: Int64) -> Int64
}

enum NarrowField: RowField {
    static var wordCount: Int { 1 }

    @inline(__always)
    static func load(_ words: UnsafePointer<UInt32>) -> Int64 {
        Int64(Int32(bitPattern: words[0]))
    }

    @inline(__always)
    static func store(_ value: Int64, _ words: UnsafeMutablePointer<UInt32>) {
        words[0] = UInt32(truncatingIfNeeded: value)
    }

    @inline(__always)
    static func excess(_ value: Int64) -> Int64 {
        value ^ Int64(Int32(truncatingIfNeeded: value))
    }
}

enum WideField: RowField {
    static var wordCount: Int { 2 }

    @inline(__always)
    static func load(_ words: UnsafePointer<UInt32>) -> Int64 {
        UnsafeRawPointer(words).loadUnaligned(as: Int64.self)
    }

    @inline(__always)
    static func store(_ value: Int64, _ words: UnsafeMutablePointer<UInt32>) {
        UnsafeMutableRawPointer(words).storeBytes(of: value, as: Int64.self)
    }

    @inline(__always)
    static func excess(_ value: Int64) -> Int64 { 0 }
}
