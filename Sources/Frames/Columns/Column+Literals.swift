// Columns from arrays: literals in programs and tests.

extension Column: ExpressibleByArrayLiteral {
    public init(_ values: [Int64?]) {
        var builder = FixedWidthBuilder<Int64>(capacity: values.count)
        for value in values {
            if let value { builder.append(value) } else { builder.appendNull(placeholder: 0) }
        }
        self = builder.finish(.int64)
    }

    /// Integer literals prefer int64.
    @_disfavoredOverload
    public init(_ values: [Double?]) {
        var builder = FixedWidthBuilder<Double>(capacity: values.count)
        for value in values {
            if let value { builder.append(value) } else { builder.appendNull(placeholder: 0) }
        }
        self = builder.finish(.float64)
    }

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

    /// Days since 1970-01-01.
    public init(dates days: [Int32?]) {
        var builder = FixedWidthBuilder<Int32>(capacity: days.count)
        for value in days {
            if let value { builder.append(value) } else { builder.appendNull(placeholder: 0) }
        }
        self = builder.finish(.date)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    public init(datetimes microseconds: [Int64?]) {
        self = Column(microseconds).reinterpreted(as: .datetime)
    }

    /// `[1, nil, 3]`: an int64 column.
    public init(arrayLiteral elements: Int64?...) { self.init(elements) }

    /// No rows.
    public static func empty(_ type: DataType) -> Column {
        switch type {
        case .int64, .datetime, .float64, .date:
            Column(type: type, count: 0, values: Buffer(byteCount: 0))
        case .bool: BoolBuilder().finish()
        case .string: StringBuilder().finish()
        }
    }
}
