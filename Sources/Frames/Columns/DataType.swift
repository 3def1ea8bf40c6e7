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
    /// Microseconds, Int64.
    case duration = 7
    case int8 = 8
    case int16 = 9
    case int32 = 10
    case uint8 = 11
    case uint16 = 12
    case uint32 = 13
    case uint64 = 14
    case float32 = 15
    /// Strings of few different values: UInt32 codes into a dictionary that columns share (Arrow's
    /// dictionary encoding). Compares, sorts, joins and groups as its strings do.
    case category = 16

    public var description: String {
        switch self {
        case .int64: "int64"
        case .float64: "float64"
        case .bool: "bool"
        case .string: "string"
        case .date: "date"
        case .datetime: "datetime"
        case .duration: "duration"
        case .int8: "int8"
        case .int16: "int16"
        case .int32: "int32"
        case .uint8: "uint8"
        case .uint16: "uint16"
        case .uint32: "uint32"
        case .uint64: "uint64"
        case .float32: "float32"
        case .category: "category"
        }
    }

    /// int8 … int64 and uint8 … uint64.
    public var isInteger: Bool {
        switch self {
        case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64: true
        default: false
        }
    }
    public var isFloat: Bool { self == .float32 || self == .float64 }
    public var isNumeric: Bool { isInteger || isFloat }
    /// date, datetime and duration.
    public var isTemporal: Bool { self == .date || self == .datetime || self == .duration }
}

/// How values lie in memory: all that a kernel which only moves them needs to know.
enum ValueLayout {
    case bytes1, bytes2, bytes4, bytes8
    case bits
    /// Offsets into UTF-8 bytes.
    case strings
}

/// The numbers that values are, for kernels that compute: dates, times and codes are integers.
enum ValueStorage {
    case int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64
    case bits, strings
}

extension DataType {
    var layout: ValueLayout {
        switch self {
        case .int8, .uint8: .bytes1
        case .int16, .uint16: .bytes2
        case .int32, .uint32, .float32, .date, .category: .bytes4
        case .int64, .uint64, .float64, .datetime, .duration: .bytes8
        case .bool: .bits
        case .string: .strings
        }
    }

    var storage: ValueStorage {
        switch self {
        case .int8: .int8
        case .int16: .int16
        case .int32, .date: .int32
        case .int64, .datetime, .duration: .int64
        case .uint8: .uint8
        case .uint16: .uint16
        case .uint32, .category: .uint32
        case .uint64: .uint64
        case .float32: .float32
        case .float64: .float64
        case .bool: .bits
        case .string: .strings
        }
    }

    /// Bytes per value; nil for bits and for strings.
    var fixedWidth: Int? {
        switch layout {
        case .bytes1: 1
        case .bytes2: 2
        case .bytes4: 4
        case .bytes8: 8
        case .bits, .strings: nil
        }
    }

    /// What sums of it are: int64 of signed integers and bool, uint64 of unsigned ones, float64 of
    /// floats, durations of durations.
    var sumType: DataType {
        switch self {
        case .uint8, .uint16, .uint32, .uint64: .uint64
        case .float32, .float64: .float64
        case .duration: .duration
        default: .int64
        }
    }

    /// The int64 values that an integer type holds.
    var integers: ClosedRange<Int64> {
        switch storage {
        case .int8: Int64(Int8.min)...Int64(Int8.max)
        case .int16: Int64(Int16.min)...Int64(Int16.max)
        case .int32: Int64(Int32.min)...Int64(Int32.max)
        case .uint8: 0...Int64(UInt8.max)
        case .uint16: 0...Int64(UInt16.max)
        case .uint32: 0...Int64(UInt32.max)
        case .uint64: 0...Int64.max
        case .int64, .float32, .float64, .bits, .strings: .min ... .max
        }
    }

    /// Text, whether in place or by code.
    var isText: Bool { self == .string || self == .category }
    /// A value is 64 bits read as Int64.
    var isInt64: Bool { storage == .int64 }
}
