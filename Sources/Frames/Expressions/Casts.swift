// Casts between types. What a target type cannot hold becomes null; a strict cast then says which
// value that was.

extension Evaluation {
    /// The column as `target`, null where it cannot be. The cast exists: it was checked.
    static func cast(_ column: Column, to target: DataType) -> Column {
        if column.type == target { return column }
        if column.type == .category { return cast(column.decoded(), to: target) }
        switch (column.type, target) {
        case (_, .category): return cast(column, to: .string).encoded()
        case (_, .string): return text(of: column)
        case (.string, _): return parsed(column, as: target)
        case (.date, .datetime):
            return map(Kernels.widened(column), as: .datetime) {
                $0.multipliedReportingOverflow(by: microsecondsPerDay).partialValue
            }
        case (.datetime, .date):
            let days = map(column.reinterpreted(as: .int64), as: .int64) {
                Int64(CivilDateTime.day(ofMicroseconds: Int($0)))
            }
            return integers(days, as: .date, areUnsigned: false)
        default: return numbers(column, as: target)
        }
    }

    /// The first row that a cast lost: a value before, null after.
    static func lostRow(_ column: Column, _ result: Column) -> Int? {
        guard let validity = result.validity, result.nullCount > column.nullCount else {
            return nil
        }
        return (0..<column.count).first { !validity[$0] && !column.isNull(at: $0) }
    }

    static let microsecondsPerDay: Int64 = 86_400_000_000

    // MARK: Numbers

    private static func numbers(_ column: Column, as target: DataType) -> Column {
        let wide = Kernels.widened(column)
        defer { withExtendedLifetime(wide) {} }
        let isUnsigned = column.type == .uint64
        switch target.storage {
        case .bits:
            if wide.type == .float64 {
                let values = wide.pointer(as: Double.self)
                return bool(Bitmap(count: wide.count) { values[$0] != 0 }, wide.validity)
            }
            return Kernels.narrowed(wide, to: .bool)
        case .float32, .float64:
            if wide.type == .float64 { return Kernels.narrowed(wide, to: target) }
            return Kernels.narrowed(float64(wide, areUnsigned: isUnsigned), to: target)
        default:
            if wide.type == .float64 { return truncated(wide, as: target) }
            return integers(wide, as: target, areUnsigned: isUnsigned)
        }
    }

    private static func float64(_ column: Column, areUnsigned: Bool) -> Column {
        let values = column.pointer(as: Int64.self)
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Double.self)
        if areUnsigned {
            for row in 0..<column.count { output[row] = Double(UInt64(bitPattern: values[row])) }
        } else {
            for row in 0..<column.count { output[row] = Double(values[row]) }
        }
        withExtendedLifetime(column) {}
        return Column(
            type: .float64, count: column.count, values: buffer, validity: column.validity)
    }

    /// Towards zero.
    private static func truncated(_ column: Column, as target: DataType) -> Column {
        let values = column.pointer(as: Double.self)
        if target == .uint64 {
            return convertOrNull(column, to: .uint64, placeholder: UInt64(0)) {
                UInt64(exactly: values[$0].rounded(.towardZero))
            }
        }
        let whole = convertOrNull(column, to: .int64, placeholder: Int64(0)) {
            Int64(exactly: values[$0].rounded(.towardZero))
        }
        return integers(whole, as: target, areUnsigned: false)
    }

    /// int64 as a type of integers, null where it is out of range.
    private static func integers(
        _ column: Column, as target: DataType, areUnsigned: Bool
    ) -> Column {
        let limits = target.integers
        if target == .uint64 && areUnsigned { return column.reinterpreted(as: .uint64) }
        // A uint64 beyond int64 is negative here, and fits nothing else.
        let least = areUnsigned ? 0 : limits.lowerBound
        let values = column.pointer(as: Int64.self)
        let fits = Bitmap(count: column.count) {
            values[$0] >= least && values[$0] <= limits.upperBound
        }
        withExtendedLifetime(column) {}
        let narrow = Kernels.narrowed(column, to: target)
        if fits.setCount == column.count { return narrow }
        let validity = column.validity.map { $0.and(fits) } ?? fits
        return narrow.with(validity: validity)
    }

    private static func map(
        _ column: Column, as target: DataType, _ value: (Int64) -> Int64
    ) -> Column {
        let values = column.pointer(as: Int64.self)
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Int64.self)
        for row in 0..<column.count { output[row] = value(values[row]) }
        withExtendedLifetime(column) {}
        return Column(type: target, count: column.count, values: buffer, validity: column.validity)
    }

    static func convertOrNull<Element: BitwiseCopyable>(
        _ column: Column, to target: DataType, placeholder: Element, _ value: (Int) -> Element?
    ) -> Column {
        var builder = FixedWidthBuilder<Element>(capacity: column.count)
        for row in 0..<column.count {
            if !column.isNull(at: row), let converted = value(row) {
                builder.append(converted)
            } else {
                builder.appendNull(placeholder: placeholder)
            }
        }
        withExtendedLifetime(column) {}
        return builder.finish(target)
    }

    // MARK: Text

    /// Numbers as Swift writes them, the shortest text that reads back as the same; times as ISO
    /// 8601.
    private static func text(of column: Column) -> Column {
        var builder = StringBuilder(capacity: column.count)
        var buffer = TextBuffer()
        for row in 0..<column.count {
            if column.isNull(at: row) {
                builder.appendNull()
                continue
            }
            buffer.removeAll()
            switch column.type {
            case .bool: buffer.append(column.bits[row] ? "true" : "false")
            case .float64: buffer.append("\(column.pointer(as: Double.self)[row])")
            case .float32: buffer.append("\(column.pointer(as: Float.self)[row])")
            case .uint64: buffer.append("\(column.pointer(as: UInt64.self)[row])")
            case .date:
                buffer.append(CivilDate(daysSince1970: Int(column.int64(at: row) ?? 0)))
            case .datetime:
                buffer.append(
                    CivilDateTime(microsecondsSince1970: Int(column.int64(at: row) ?? 0)))
            default: buffer.append(integer: column.int64(at: row) ?? 0)
            }
            builder.append(utf8: buffer.bytes.bindMemory(to: UInt8.self))
        }
        return builder.finish()
    }

    private static func parsed(_ column: Column, as target: DataType) -> Column {
        defer { withExtendedLifetime(column) {} }
        /// Spaces around a number are no part of it.
        func isTrimmed(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
            trimmed(text).count == text.count
        }
        func parsedIntegers(
            _ parse: (UnsafeBufferPointer<UInt8>) -> Int64?
        ) -> Column {
            convertOrNull(column, to: .int64, placeholder: Int64(0)) { row in
                let text = column.utf8(at: row)
                return isTrimmed(text) ? parse(text) : nil
            }
        }
        switch target {
        case .float32, .float64:
            let numbers = convertOrNull(column, to: .float64, placeholder: 0.0) { row in
                let text = column.utf8(at: row)
                return isTrimmed(text) ? parseDouble(text) ?? parseSpecial(text) : nil
            }
            return Kernels.narrowed(numbers, to: target)
        case .date:
            return convertOrNull(column, to: .date, placeholder: Int32(0)) {
                parseDate(column.utf8(at: $0))
            }
        case .datetime:
            return parsedIntegers { text in
                parseDateTime(text)
                    ?? parseDate(text).map { Int64($0) * microsecondsPerDay }
            }.reinterpreted(as: .datetime)
        case .bool:
            let bits = parsedIntegers { text in
                let word = String(decoding: text, as: UTF8.self)
                return word == "true" ? 1 : word == "false" ? 0 : nil
            }
            return Kernels.narrowed(bits, to: .bool)
        default:
            return Kernels.narrowed(parsedIntegers { parseInteger($0, as: target) }, to: target)
        }
    }
}

extension DataType {
    /// Is there a cast? Every type converts to itself.
    func converts(to target: DataType) -> Bool {
        if self == target { return true }
        let isNumber = isNumeric || self == .bool
        let isTargetNumber = target.isNumeric || target == .bool
        switch (self, target) {
        case (.duration, .string), (.string, .duration), (.duration, .category),
            (.category, .duration):
            return false
        case (_, .string), (_, .category), (.string, _), (.category, _): return true
        case (.date, .datetime), (.datetime, .date): return true
        default:
            return isNumber && isTargetNumber
                || isTemporal && target.isInteger || isInteger && target.isTemporal
        }
    }

    /// Does every value survive the cast?
    func alwaysConverts(to target: DataType) -> Bool {
        if self == target || target.isText || target == .bool && isNumeric { return true }
        if target.isFloat { return isNumeric || self == .bool }
        if self == .bool { return true }
        if self == .date && target == .datetime { return true }
        guard isInteger || isTemporal, target.isInteger || target.isTemporal else { return false }
        if (self == .datetime) != (target == .datetime) && (self == .date || target == .date) {
            return false
        }
        let (own, other) = (integers, target.integers)
        if self == .uint64 { return target == .uint64 }
        return own.lowerBound >= other.lowerBound && own.upperBound <= other.upperBound
    }
}
