// Columns from arrays: literals in programs and tests.

extension Column: ExpressibleByArrayLiteral {
    public init(_ values: [Int64?]) { self.init(fixed: values, .int64, zero: 0) }

    /// Integer literals prefer int64.
    @_disfavoredOverload
    public init(_ values: [Double?]) { self.init(fixed: values, .float64, zero: 0) }

    @_disfavoredOverload
    public init(_ values: [Float?]) { self.init(fixed: values, .float32, zero: 0) }

    @_disfavoredOverload
    public init(_ values: [Int8?]) { self.init(fixed: values, .int8, zero: 0) }

    @_disfavoredOverload
    public init(_ values: [Int16?]) { self.init(fixed: values, .int16, zero: 0) }

    @_disfavoredOverload
    public init(_ values: [Int32?]) { self.init(fixed: values, .int32, zero: 0) }

    @_disfavoredOverload
    public init(_ values: [UInt8?]) { self.init(fixed: values, .uint8, zero: 0) }

    @_disfavoredOverload
    public init(_ values: [UInt16?]) { self.init(fixed: values, .uint16, zero: 0) }

    @_disfavoredOverload
    public init(_ values: [UInt32?]) { self.init(fixed: values, .uint32, zero: 0) }

    @_disfavoredOverload
    public init(_ values: [UInt64?]) { self.init(fixed: values, .uint64, zero: 0) }

    public init(_ values: [Bool?]) {
        var builder = BoolBuilder()
        for value in values {
            if let value { builder.append(value) } else { builder.appendNull() }
        }
        self = builder.finish()
    }

    public init(_ values: [String?]) {
        var builder = StringBuilder(capacity: values.count)
        for value in values {
            if let value { builder.append(value) } else { builder.appendNull() }
        }
        self = builder.finish()
    }

    /// Strings of few different values.
    public init(categories values: [String?]) { self = Column(values).encoded() }

    /// Days since 1970-01-01.
    public init(dates days: [Int32?]) { self.init(fixed: days, .date, zero: 0) }

    /// Microseconds since 1970-01-01T00:00:00Z.
    public init(datetimes microseconds: [Int64?]) {
        self.init(fixed: microseconds, .datetime, zero: 0)
    }

    /// Microseconds.
    public init(durations microseconds: [Int64?]) {
        self.init(fixed: microseconds, .duration, zero: 0)
    }

    /// `[1, nil, 3]`: an int64 column.
    public init(arrayLiteral elements: Int64?...) { self.init(elements) }

    private init<Element: BitwiseCopyable>(
        fixed values: [Element?], _ type: DataType, zero: Element
    ) {
        var builder = FixedWidthBuilder<Element>(capacity: values.count)
        for value in values {
            if let value { builder.append(value) } else { builder.appendNull(placeholder: zero) }
        }
        self = builder.finish(type)
    }

    /// No rows.
    public static func empty(_ type: DataType) -> Column {
        switch type.layout {
        case .bytes1, .bytes2, .bytes4, .bytes8:
            Column(
                type: type, count: 0, values: Buffer(byteCount: 0),
                dictionary: type == .category ? .empty : nil)
        case .bits: BoolBuilder().finish()
        case .strings: StringBuilder().finish()
        }
    }
}
