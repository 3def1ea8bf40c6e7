// The types of columns, named and laid out as in Arrow.

/// What a column holds.
public enum DataType: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case int64 = 1
    case float64 = 2
    /// One bit per value.
    case bool = 3
    /// UTF-8 with 64-bit offsets (Arrow's LargeUtf8).
    case string = 4
    /// Days since 1970-01-01, Int32.
    case date = 5
    /// Microseconds since 1970-01-01T00:00:00Z, Int64.
    case datetime = 6

    public var description: String {
        switch self {
        case .int64: "int64"
        case .float64: "float64"
        case .bool: "bool"
        case .string: "string"
        case .date: "date"
        case .datetime: "datetime"
        }
    }

    /// Bytes per value; nil for bits and for strings.
    var fixedWidth: Int? {
        switch self {
        case .int64, .float64, .datetime: 8
        case .date: 4
        case .bool, .string: nil
        }
    }

    public var isNumeric: Bool { self == .int64 || self == .float64 }
}
