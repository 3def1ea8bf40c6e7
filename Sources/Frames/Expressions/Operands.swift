// How operators read their operands: columns and constants as typed values, constants as columns,
// int64 as float64 where the two meet.
import Glibc

extension Operand {
    /// As a column of `count` rows; a column must have as many.
    func column(count: Int) -> Column {
        switch self {
        case .column(let column):
            assert(column.count == count, "columns of different lengths")
            return column
        case .constant(let literal): return literal.column(count: count)
        }
    }

    var int64s: Values<Int64> {
        switch self {
        case .column(let column): .many(column.pointer(as: Int64.self))
        case .constant(.int64(let value)), .constant(.datetime(let value)): .one(value)
        case .constant: preconditionFailure("not a 64-bit integer")
        }
    }

    var int32s: Values<Int32> {
        switch self {
        case .column(let column): .many(column.pointer(as: Int32.self))
        case .constant(.date(let value)): .one(value)
        case .constant: preconditionFailure("not a date")
        }
    }

    var float64s: Values<Double> {
        switch self {
        case .column(let column): .many(column.pointer(as: Double.self))
        case .constant(.float64(let value)): .one(value)
        case .constant: preconditionFailure("not a float64")
        }
    }

    /// The same numbers as float64.
    var asFloat64: Operand {
        switch self {
        case .column(let column) where column.type == .int64:
            .column(Evaluation.cast(column, to: .float64))
        case .constant(.int64(let value)): .constant(.float64(Double(value)))
        case .column, .constant: self
        }
    }
}

extension Literal {
    /// The constant `count` times.
    func column(count: Int) -> Column {
        switch self {
        case .int64(let value), .datetime(let value): filled(value, count)
        case .float64(let value): filled(value, count)
        case .date(let value): filled(value, count)
        case .bool(let value): Evaluation.bool(Bitmap(repeating: value, count: count), nil)
        case .string(let value): strings(value, count)
        }
    }

    private func filled<Element: BitwiseCopyable>(_ value: Element, _ count: Int) -> Column {
        let buffer = Buffer(byteCount: count * MemoryLayout<Element>.stride)
        buffer.elements(as: Element.self).update(repeating: value, count: count)
        return Column(type: type, count: count, values: buffer)
    }

    private func strings(_ value: String, _ count: Int) -> Column {
        let utf8 = Array(value.utf8)
        let offsets = Buffer(byteCount: (count + 1) * 8)
        let bytes = Buffer(byteCount: count * utf8.count)
        utf8.withUnsafeBufferPointer { utf8 in
            for row in 0...count {
                offsets.elements(as: Int64.self)[row] = Int64(row * utf8.count)
                if row < count, let base = utf8.baseAddress {
                    memcpy(bytes.pointer + row * utf8.count, base, utf8.count)
                }
            }
        }
        return Column(type: .string, count: count, values: bytes, offsets: offsets)
    }
}
