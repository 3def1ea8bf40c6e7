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

    var operandType: OperandType {
        switch self {
        case .column(let column): OperandType(type: column.type, literal: nil)
        case .constant(let literal): OperandType(type: literal.type, literal: literal)
        }
    }

    /// The same values as another type, which holds them.
    func cast(to type: DataType) -> Operand {
        switch self {
        case .column(let column): .column(Evaluation.cast(column, to: type))
        case .constant(let literal) where literal.type == type: self
        case .constant(let literal):
            .column(Evaluation.cast(literal.column(count: 1), to: type)).repeated
        }
    }

    /// A column of one value as a constant.
    private var repeated: Operand {
        guard case .column(let column) = self else { return self }
        return .constant(.typed(column))
    }

    /// As int64 or float64.
    var widened: Operand {
        switch self {
        case .column(let column): .column(Kernels.widened(column))
        case .constant(let literal): .constant(.typed(Kernels.widened(literal.column(count: 1))))
        }
    }

    var int64s: Values<Int64> { values() }
    var int32s: Values<Int32> { values() }
    var float64s: Values<Double> { values() }

    func values<Element: BitwiseCopyable>() -> Values<Element> {
        switch self {
        case .column(let column): return .many(column.pointer(as: Element.self))
        case .constant(let literal):
            let column = literal.column(count: 1)
            defer { withExtendedLifetime(column) {} }
            return .one(column.pointer(as: Element.self)[0])
        }
    }
}

extension Literal {
    var isNull: Bool { if case .typed(let column) = self { column.isNull(at: 0) } else { false } }

    /// The constant `count` times.
    func column(count: Int) -> Column {
        switch self {
        case .int64(let value), .datetime(let value), .duration(let value): filled(value, count)
        case .float64(let value): filled(value, count)
        case .date(let value): filled(value, count)
        case .bool(let value): Evaluation.bool(Bitmap(repeating: value, count: count), nil)
        case .string(let value): strings(value, count)
        case .typed(let column):
            count == 1
                ? column
                : Kernels.gather(
                    column, RowIndices(buffer: Buffer(zeroedByteCount: count * 8), count: count))
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
