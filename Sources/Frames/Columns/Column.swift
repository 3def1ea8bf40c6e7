// A column: typed values with validity, in Arrow's layout, shared and sliced without copies.

/// A run of values of one type, any of which may be null.
///
/// Immutable and cheap to copy: copies and slices share memory. Null is apart from NaN: a null has
/// no value, and what its place holds in memory is unspecified.
public struct Column: Sendable {
    public let type: DataType
    public let count: Int
    /// Which values are there; nil if all are.
    public let validity: Bitmap?

    /// Values (bits for bool, UTF-8 bytes for strings).
    let values: Buffer
    /// Strings only: Int64 offsets into `values`, one more than values.
    let offsets: Buffer?
    /// Categories only: what the codes stand for.
    let dictionary: CategoryDictionary?
    /// This column's first value within the buffers.
    let start: Int

    init(
        type: DataType, count: Int, values: Buffer, offsets: Buffer? = nil,
        validity: Bitmap? = nil, start: Int = 0, dictionary: CategoryDictionary? = nil
    ) {
        assert(validity.map { $0.count == count } ?? true, "a validity bit per value")
        assert((type == .string) == (offsets != nil), "offsets belong to strings")
        assert((type == .category) == (dictionary != nil), "dictionaries belong to categories")
        self.type = type
        self.count = count
        self.values = values
        self.offsets = offsets
        self.dictionary = dictionary
        self.validity = validity
        self.start = start
    }

    /// Number of nulls.
    public var nullCount: Int { validity.map { count - $0.setCount } ?? 0 }

    @inline(__always)
    public func isNull(at index: Int) -> Bool { validity.map { !$0[index] } ?? false }

    /// Rows `range`, without a copy.
    public func slice(_ range: Range<Int>) -> Column {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "slice out of range")
        return Column(
            type: type, count: range.count, values: values, offsets: offsets,
            validity: validity?.slice(range), start: start + range.lowerBound,
            dictionary: dictionary)
    }

    /// The same values with other validity.
    func with(validity: Bitmap?) -> Column {
        Column(
            type: type, count: count, values: values, offsets: offsets, validity: validity,
            start: start, dictionary: dictionary)
    }

    /// Other values of the same type, and of the same dictionary; not for strings.
    func with(values: Buffer, count: Int, validity: Bitmap?) -> Column {
        Column(
            type: type, count: count, values: values, validity: validity, dictionary: dictionary)
    }

    /// The same bits under another type of the same layout (datetime as int64).
    func reinterpreted(as type: DataType) -> Column {
        assert(type.layout == self.type.layout && dictionary == nil, "layouts differ")
        return Column(
            type: type, count: count, values: values, offsets: offsets, validity: validity,
            start: start)
    }
}

// Raw access for kernels. Pointers are valid while the column, or another sharing its buffers,
// is alive: kernels wrap their loops in `withExtendedLifetime`.
extension Column {
    /// The first value, of a fixed-width type.
    @inline(__always)
    func pointer<Element: BitwiseCopyable>(as type: Element.Type) -> UnsafePointer<Element> {
        assert(MemoryLayout<Element>.stride == self.type.fixedWidth, "wrong width")
        return UnsafePointer(values.elements(as: type) + start)
    }

    /// Bool columns: the values.
    var bits: Bitmap {
        assert(type == .bool, "bits of \(type)")
        return Bitmap(buffer: values, offset: start, count: count)
    }

    /// String columns: `count` + 1 offsets into `stringBytes`.
    @inline(__always)
    var stringOffsets: UnsafePointer<Int64> {
        guard let offsets else { preconditionFailure("offsets of \(type)") }
        return UnsafePointer(offsets.elements(as: Int64.self) + start)
    }

    /// String columns: what the offsets point into.
    @inline(__always)
    var stringBytes: UnsafePointer<UInt8> {
        UnsafePointer(values.elements(as: UInt8.self))
    }

    /// The UTF-8 bytes of string `index`, of a category too; empty for nulls made by builders.
    @inline(__always)
    func utf8(at index: Int) -> UnsafeBufferPointer<UInt8> {
        if let dictionary {
            if isNull(at: index) { return UnsafeBufferPointer(start: nil, count: 0) }
            return dictionary.values.utf8(at: Int(pointer(as: UInt32.self)[index]))
        }
        let offsets = stringOffsets
        return UnsafeBufferPointer(
            start: stringBytes + Int(offsets[index]),
            count: Int(offsets[index + 1] - offsets[index]))
    }
}
