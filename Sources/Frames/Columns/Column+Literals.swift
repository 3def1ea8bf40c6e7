// Columns from arrays: literals in programs and tests.

extension Column: ExpressibleByArrayLiteral {
    public init(_ values: [Int64?]) { self.init(fixed: values, .int64, zero: 0) }

    /// Integer literals prefer int64.
    @_disfavoredOverload
    public init(_ values: [Double?]) { self.init(fixed: values, .float64, zero: 0) }

    /// Numbers of narrower types and uint64: `Column([1, nil] as [Int8?])`.
    @_disfavoredOverload
    public init<Value: NarrowValue>(_ values: [Value?]) {
        self.init(fixed: values, Value.columnType, zero: Value.zero)
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

    /// `[1, nil, 3]`, `[0.5, 2]`, `["x", nil]`, `[true, false]`: int64, float64, string, bool. Traps
    /// if elements do not go together: a literal is the programmer's.
    public init(arrayLiteral elements: Scalar...) { self.init(literal: elements) }

    private init(literal elements: [Scalar]) {
        let kind = elements.first { $0 != .null && $0.int64 == nil }
        func mismatch(_ element: Scalar) -> Never {
            preconditionFailure("\(element) in a literal column of \(kind ?? .null)")
        }
        switch kind {
        case nil: self.init(elements.map(\.int64))
        case .float64:
            self.init(
                elements.map { element -> Double? in
                    if element != .null && element.float64 == nil { mismatch(element) }
                    return element.float64
                })
        case .string:
            self.init(
                elements.map { element -> String? in
                    if element != .null && element.string == nil { mismatch(element) }
                    return element.string
                })
        case .bool:
            self.init(
                elements.map { element -> Bool? in
                    if element == .null { return nil }
                    guard case .bool(let value) = element else { mismatch(element) }
                    return value
                })
        case .some(let element): mismatch(element)
        }
    }

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

/// A number type that columns are made of.
public protocol ColumnValue: BitwiseCopyable, AdditiveArithmetic {
    static var columnType: DataType { get }
}
/// One that needs naming where a literal alone would be an Int64 or a Double.
public protocol NarrowValue: ColumnValue {}

extension Int64: ColumnValue { public static var columnType: DataType { .int64 } }
extension Double: ColumnValue { public static var columnType: DataType { .float64 } }
extension Int8: NarrowValue { public static var columnType: DataType { .int8 } }
extension Int16: NarrowValue { public static var columnType: DataType { .int16 } }
extension Int32: NarrowValue { public static var columnType: DataType { .int32 } }
extension UInt8: NarrowValue { public static var columnType: DataType { .uint8 } }
extension UInt16: NarrowValue { public static var columnType: DataType { .uint16 } }
extension UInt32: NarrowValue { public static var columnType: DataType { .uint32 } }
extension UInt64: NarrowValue { public static var columnType: DataType { .uint64 } }
extension Float: NarrowValue { public static var columnType: DataType { .float32 } }
