// Narrow numbers as int64 or float64 and back: kernels that compute know these two, so that a type
// is not one more copy of each of them.

extension Kernels {
    /// A fixed-width column as int64 or float64, validity kept. uint64 keeps its bits, dates and
    /// times their numbers, bool is 0 and 1. No copy where the width is 8 bytes already.
    static func widened(_ column: Column) -> Column {
        switch column.type.storage {
        case .int64: column.type == .int64 ? column : column.reinterpreted(as: .int64)
        case .uint64: column.reinterpreted(as: .int64)
        case .float64: column
        case .int8: widen(column, Int8.self, as: .int64) { Int64($0) }
        case .int16: widen(column, Int16.self, as: .int64) { Int64($0) }
        case .int32: widen(column, Int32.self, as: .int64) { Int64($0) }
        case .uint8: widen(column, UInt8.self, as: .int64) { Int64($0) }
        case .uint16: widen(column, UInt16.self, as: .int64) { Int64($0) }
        case .uint32: widen(column, UInt32.self, as: .int64) { Int64($0) }
        case .float32: widen(column, Float.self, as: .float64) { Double($0) }
        case .bits: widenedBits(column)
        case .strings: preconditionFailure("strings are no numbers")
        }
    }

    /// int64 or float64 as a narrower type of the same kind, whose values must fit: what was widened
    /// goes back.
    static func narrowed(_ column: Column, to type: DataType) -> Column {
        if column.type == type { return column }
        switch type.storage {
        case .int64, .uint64: return column.reinterpreted(as: type)
        case .float64: return column
        case .int8:
            return narrow(column, as: type) { (value: Int64) in
                Int8(truncatingIfNeeded: value)
            }
        case .int16:
            return narrow(column, as: type) { (value: Int64) in
                Int16(truncatingIfNeeded: value)
            }
        case .int32:
            return narrow(column, as: type) { (value: Int64) in
                Int32(truncatingIfNeeded: value)
            }
        case .uint8:
            return narrow(column, as: type) { (value: Int64) in
                UInt8(truncatingIfNeeded: value)
            }
        case .uint16:
            return narrow(column, as: type) { (value: Int64) in
                UInt16(truncatingIfNeeded: value)
            }
        case .uint32:
            return narrow(column, as: type) { (value: Int64) in
                UInt32(truncatingIfNeeded: value)
            }
        case .float32: return narrow(column, as: type) { (value: Double) in Float(value) }
        case .bits:
            let values = column.pointer(as: Int64.self)
            defer { withExtendedLifetime(column) {} }
            return Evaluation.bool(
                Bitmap(count: column.count) { values[$0] != 0 }, column.validity)
        case .strings: preconditionFailure("strings are no numbers")
        }
    }

    @inline(__always)
    private static func widen<Narrow: BitwiseCopyable, Wide: BitwiseCopyable>(
        _ column: Column, _ type: Narrow.Type, as wide: DataType, _ convert: (Narrow) -> Wide
    ) -> Column {
        let values = column.pointer(as: Narrow.self)
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Wide.self)
        for row in 0..<column.count { output[row] = convert(values[row]) }
        withExtendedLifetime(column) {}
        return Column(type: wide, count: column.count, values: buffer, validity: column.validity)
    }

    @inline(__always)
    private static func narrow<Wide: BitwiseCopyable, Narrow: BitwiseCopyable>(
        _ column: Column, as type: DataType, _ convert: (Wide) -> Narrow
    ) -> Column {
        let values = column.pointer(as: Wide.self)
        let buffer = Buffer(byteCount: column.count * MemoryLayout<Narrow>.stride)
        let output = buffer.elements(as: Narrow.self)
        for row in 0..<column.count { output[row] = convert(values[row]) }
        withExtendedLifetime(column) {}
        return Column(type: type, count: column.count, values: buffer, validity: column.validity)
    }

    private static func widenedBits(_ column: Column) -> Column {
        let bits = column.bits
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Int64.self)
        for row in 0..<column.count {
            output[row] = Int64(unsafeBitCast(bits[row], to: UInt8.self))
        }
        withExtendedLifetime(column) {}
        return Column(type: .int64, count: column.count, values: buffer, validity: column.validity)
    }

    /// uint64's bits, read as int64, in the order of int64, and back.
    static func flipped(_ column: Column) -> Column {
        let values = column.pointer(as: Int64.self)
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Int64.self)
        for row in 0..<column.count { output[row] = values[row] ^ .min }
        withExtendedLifetime(column) {}
        return Column(type: .int64, count: column.count, values: buffer, validity: column.validity)
    }
}
