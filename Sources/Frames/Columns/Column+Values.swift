// Values one by one and in place: for tests, printing, small results and user code.

extension Column {
    /// The value of an integer, date (days), datetime or duration (µs) column; nil if it is null,
    /// or a uint64 beyond int64.
    public func int64(at index: Int) -> Int64? {
        precondition(index >= 0 && index < count, "row \(index) of \(count)")
        if isNull(at: index) { return nil }
        switch type.storage {
        case .int8: return Int64(pointer(as: Int8.self)[index])
        case .int16: return Int64(pointer(as: Int16.self)[index])
        case .int32: return Int64(pointer(as: Int32.self)[index])
        case .int64: return pointer(as: Int64.self)[index]
        case .uint8: return Int64(pointer(as: UInt8.self)[index])
        case .uint16: return Int64(pointer(as: UInt16.self)[index])
        case .uint32: return Int64(pointer(as: UInt32.self)[index])
        case .uint64: return Int64(exactly: pointer(as: UInt64.self)[index])
        case .float32, .float64, .bits, .strings: preconditionFailure("an int64 of \(type)")
        }
    }

    /// The value of a uint64 column.
    public func uint64(at index: Int) -> UInt64? {
        precondition(index >= 0 && index < count, "row \(index) of \(count)")
        return isNull(at: index) ? nil : pointer(as: UInt64.self)[index]
    }

    /// The value of a float64 or float32 column.
    public func float64(at index: Int) -> Double? {
        precondition(index >= 0 && index < count, "row \(index) of \(count)")
        if isNull(at: index) { return nil }
        return type == .float32
            ? Double(pointer(as: Float.self)[index]) : pointer(as: Double.self)[index]
    }

    public func bool(at index: Int) -> Bool? {
        precondition(index >= 0 && index < count, "row \(index) of \(count)")
        return isNull(at: index) ? nil : bits[index]
    }

    /// The value of a string or category column.
    public func string(at index: Int) -> String? {
        precondition(index >= 0 && index < count, "row \(index) of \(count)")
        return isNull(at: index) ? nil : String(decoding: utf8(at: index), as: UTF8.self)
    }

    /// All values, as `int64(at:)` gives them.
    public var int64s: [Int64?] { (0..<count).map { int64(at: $0) } }
    public var float64s: [Double?] { (0..<count).map { float64(at: $0) } }
    public var bools: [Bool?] { (0..<count).map { bool(at: $0) } }
    public var strings: [String?] { (0..<count).map { string(at: $0) } }

    /// The values in place, those of nulls unspecified: check `validity`. Of dates, times and codes
    /// the numbers. Local, no copy.
    ///
    ///     var total = 0.0
    ///     let values = column.span(as: Double.self)
    ///     for row in values.indices where !column.isNull(at: row) { total += values[row] }
    ///
    /// Traps unless `type` is that of the column's values, `Int32` for dates, `Int64` for datetimes
    /// and durations, `UInt32` for categories.
    @_lifetime(borrow self)
    public func span<Element: ColumnValue>(as type: Element.Type) -> Span<Element> {
        precondition(
            Element.columnType.storage == self.type.storage, "a span of \(type) over \(self.type)")
        let span = Span<Element>(_unsafeStart: pointer(as: type), count: count)
        return _overrideLifetime(span, borrowing: self)
    }

    /// The values in place, without nulls' absence: check `validity`. The type's own width.
    public func withUnsafeValues<Element: BitwiseCopyable, Result, Failure: Error>(
        as type: Element.Type, _ body: (UnsafeBufferPointer<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(
            MemoryLayout<Element>.stride == self.type.fixedWidth, "\(type) for \(self.type)")
        defer { withExtendedLifetime(values) {} }
        return try body(UnsafeBufferPointer(start: pointer(as: type), count: count))
    }
}
