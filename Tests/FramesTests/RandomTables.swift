// Random columns with every oddity kernels must survive, and cells to compare them by: the naive
// side of the kernels' property tests.
@testable import Frames

/// One value, comparable across types and independent of the layout under test.
enum Cell: Hashable, CustomStringConvertible {
    case null
    case int(Int64)
    case unsigned(UInt64)
    case float(UInt64)
    case bool(Bool)
    case string(String)

    var description: String {
        switch self {
        case .null: "null"
        case .int(let value): "\(value)"
        case .unsigned(let value): "\(value)"
        case .float(let bits): "\(Double(bitPattern: bits))"
        case .bool(let value): "\(value)"
        case .string(let value): "\"\(value)\""
        }
    }

    /// Equal floats are equal cells, whatever their bits.
    static func float(value: Double) -> Cell {
        if value.isNaN { return .float(Double.nan.bitPattern) }
        return .float(value == 0 ? 0 : value.bitPattern)
    }

    /// The order of a sort, nulls apart.
    static func isLess(_ first: Cell, _ second: Cell) -> Bool {
        switch (first, second) {
        case (.int(let first), .int(let second)): return first < second
        case (.unsigned(let first), .unsigned(let second)): return first < second
        case (.bool(let first), .bool(let second)): return !first && second
        case (.string(let first), .string(let second)):
            return Array(first.utf8).lexicographicallyPrecedes(Array(second.utf8))
        case (.float(let first), .float(let second)):
            let (first, second) = (Double(bitPattern: first), Double(bitPattern: second))
            if first.isNaN || second.isNaN { return !first.isNaN }
            return first < second
        default: return false
        }
    }
}

extension Column {
    func cell(_ row: Int) -> Cell {
        if isNull(at: row) { return .null }
        switch type {
        case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .date, .datetime, .duration:
            return int64(at: row).map { .int($0) } ?? .null
        case .uint64: return uint64(at: row).map { .unsigned($0) } ?? .null
        case .float32, .float64: return float64(at: row).map { .float(value: $0) } ?? .null
        case .bool: return bool(at: row).map { .bool($0) } ?? .null
        case .string, .category: return string(at: row).map { .string($0) } ?? .null
        }
    }

    var cells: [Cell] { (0..<count).map(cell) }
}

/// Rows of equally long columns.
func rows(of columns: [Column]) -> [[Cell]] {
    (0..<(columns.first?.count ?? 0)).map { row in columns.map { $0.cell(row) } }
}

/// How often each row occurs: tables equal but for the order of their rows have equal ones.
func tally(_ rows: [[Cell]]) -> [[Cell]: Int] {
    rows.reduce(into: [:]) { $0[$1, default: 0] += 1 }
}

extension SeededRandom {
    /// A column of `count` values of few or many different ones; a slice, so that it begins within
    /// a word of bits.
    mutating func column(
        _ type: DataType, count: Int, distinct: Int = 10, nullShare: Double = 0.2
    ) -> Column {
        let before = Int.random(in: 0...70, using: &self)
        let total = before + count + Int.random(in: 0...3, using: &self)
        func values<Value>(_ value: (Int) -> Value) -> [Value?] {
            (0..<total).map { _ in
                let isNull = Double.random(in: 0..<1, using: &self) < nullShare
                return isNull ? nil : value(Int.random(in: 0..<distinct, using: &self))
            }
        }
        let column: Column
        switch type {
        case .int64: column = Column(values { Int64($0) - 5 })
        case .int8: column = Column(values { Int8(truncatingIfNeeded: $0 &* 37 - 128) })
        case .int16: column = Column(values { Int16(truncatingIfNeeded: $0 &* 9973 - 32768) })
        case .int32: column = Column(values { Int32(truncatingIfNeeded: $0) &* 0x3001 - 7 })
        case .uint8: column = Column(values { UInt8(truncatingIfNeeded: $0 &* 37) })
        case .uint16: column = Column(values { UInt16(truncatingIfNeeded: $0 &* 9973) })
        case .uint32: column = Column(values { UInt32(truncatingIfNeeded: $0) &* 0xC000_0001 })
        case .uint64: column = Column(values { UInt64($0) &* 0xC000_0000_0000_0001 })
        case .duration: column = Column(durations: values { Int64($0) * 1_000_003 - 9 })
        case .float32:
            let odd: [Float] = [.nan, 0, -0.0, .infinity, -.infinity, 0.1, 16_777_216]
            column = Column(values { $0 < odd.count ? odd[$0] : Float($0) * 0.37 - 3 })
        case .datetime: column = Column(datetimes: values { Int64($0) &* 0x3_0000_0000_0001 })
        case .date: column = Column(dates: values { Int32($0) - 3 })
        case .bool: column = Column(values { $0 & 1 == 1 })
        case .float64:
            let odd: [Double] = [
                .nan, 0, -0.0, .infinity, -.infinity, -1.5, Double.leastNonzeroMagnitude,
            ]
            column = Column(values { $0 < odd.count ? odd[$0] : Double($0) * 0.37 - 3 })
        case .string, .category:
            let odd = [
                "", "a", "a\0", "aa", "ä", "abcdefg", "abcdefgh", "abcdefghi", "abcdefgh\0",
                "日本語のとても長い文字列", "abcdefghabcdefgh", "abcdefghabcdefg",
            ]
            let texts = values { $0 < odd.count ? odd[$0] : "key number \($0 % 7) \($0)" }
            column = type == .string ? Column(texts) : Column(categories: texts)
        }
        return column.slice(before..<before + count)
    }

    mutating func table(
        _ types: [DataType], count: Int, distinct: Int = 10, nullShare: Double = 0.2
    ) -> Table {
        let fields = types.enumerated().map { "c\($0.offset)" }
        let columns = types.map { type in
            column(type, count: count, distinct: distinct, nullShare: nullShare)
        }
        do {
            return try Table(Array(zip(fields, columns)))
        } catch {
            preconditionFailure("\(error)")
        }
    }
}

extension Table {
    /// The same rows in up to `parts` chunks of unequal sizes, empty ones among them.
    func chunks(_ parts: Int) -> [Table] {
        let cuts = (0...parts).map { rowCount * $0 * $0 / (parts * parts) }
        return zip(cuts, cuts.dropFirst()).map { slice($0..<$1) }
    }
}

/// Around words of bits, and the usual suspects.
let awkwardSizes = [0, 1, 2, 7, 63, 64, 65, 128, 200]
