// Second step of reading a block of CSV: one column's texts become values. The type is guessed from
// the first block that has a value, and every later value is checked by converting it; if the guess
// fails, the column is only looked at from then on, and read again once all ranks know its type.
// Guessing right is the rule, so most columns are touched once.

/// One rank's knowledge of one column, small enough to be told to all.
struct ColumnGuess {
    enum State: Equatable {
        case undecided
        case wrong
        case type(DataType)
    }
    var kinds: FieldKinds
    var state: State

    init(kinds: FieldKinds, state: State) {
        self.kinds = kinds
        self.state = state
    }

    /// Is another pass over the file needed for this column to have `type`?
    func mustReread(for type: DataType) -> Bool {
        state != .undecided && state != .type(type)
    }

    var packed: UInt16 {
        let code: UInt8 =
            switch state {
            case .undecided: 0
            case .wrong: 255
            case .type(let type): type.rawValue
            }
        return UInt16(kinds.rawValue) << 8 | UInt16(code)
    }

    init(packed: UInt16) {
        kinds = FieldKinds(rawValue: UInt8(packed >> 8))
        let code = UInt8(truncatingIfNeeded: packed)
        state = code == 0 ? .undecided : DataType(rawValue: code).map { .type($0) } ?? .wrong
    }
}

/// Collects one column of this rank's records.
struct ColumnReader {
    private enum Values {
        /// Only nulls so far, of no known type.
        case undecided
        /// Integers, datetimes and durations; narrower types once they are complete.
        case int64(FixedWidthBuilder<Int64>)
        /// Floats.
        case float64(FixedWidthBuilder<Double>)
        case date(FixedWidthBuilder<Int32>)
        case bool(BoolBuilder)
        /// Strings and categories.
        case string(StringBuilder)
        /// The guess was wrong.
        case abandoned
    }

    /// Given by the caller, hence not to be doubted.
    let isTypeGiven: Bool
    private(set) var type: DataType?
    private(set) var kinds: FieldKinds = []
    private(set) var count = 0
    private var values: Values

    /// - Parameter type: nil to infer it.
    init(type: DataType?) {
        self.type = type
        isTypeGiven = type != nil
        values = type.map { ColumnReader.builder($0, nulls: 0) } ?? .undecided
    }

    /// A builder that starts with `nulls` nulls.
    private static func builder(_ type: DataType, nulls: Int) -> Values {
        func fixed<Element: BitwiseCopyable>(_ zero: Element) -> FixedWidthBuilder<Element> {
            var builder = FixedWidthBuilder<Element>(capacity: nulls)
            for _ in 0..<nulls { builder.appendNull(placeholder: zero) }
            return builder
        }
        switch type {
        case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64, .datetime,
            .duration:
            return .int64(fixed(0))
        case .float32, .float64: return .float64(fixed(0))
        case .date: return .date(fixed(0))
        case .bool:
            var builder = BoolBuilder()
            for _ in 0..<nulls { builder.appendNull() }
            return .bool(builder)
        case .string, .category:
            var builder = StringBuilder()
            for _ in 0..<nulls { builder.appendNull() }
            return .string(builder)
        }
    }

    /// Adds a block's values. Returns the first row whose text is not of the given type.
    mutating func append(_ texts: ColumnTexts) -> Int? {
        defer { count += texts.count }
        if type == nil {
            kinds = texts.kinds()
            if kinds.isEmpty { return nil }
            type = kinds.type
            values = ColumnReader.builder(kinds.type, nulls: count)
        }
        guard let failure = convert(texts) else { return nil }
        if isTypeGiven { return failure }
        values = .abandoned
        kinds.formUnion(texts.kinds())
        return nil
    }

    /// Converts a block by the column's type; the first row that cannot be.
    private mutating func convert(_ texts: ColumnTexts) -> Int? {
        let failure: Int?
        let held = values
        values = .undecided
        switch consume held {
        case .undecided: return nil
        case .abandoned:
            values = .abandoned
            if !kinds.contains(.string) { kinds.formUnion(texts.kinds()) }
            return nil
        case .int64(var builder):
            failure = ColumnReader.convert(texts, type, &builder)
            values = .int64(builder)
        case .float64(var builder):
            failure = texts.convert(
                parseDouble, rest: parseSpecial, { builder.append($0) },
                null: { builder.appendNull(placeholder: 0) })
            values = .float64(builder)
        case .date(var builder):
            failure = texts.convert(
                parseDate, { builder.append($0) }, null: { builder.appendNull(placeholder: 0) })
            values = .date(builder)
        case .bool(var builder):
            failure = texts.convert(
                parseBool, { builder.append($0) }, null: { builder.appendNull() })
            values = .bool(builder)
        case .string(var builder):
            texts.copy(into: &builder)
            failure = nil
            values = .string(builder)
        }
        return failure
    }

    /// Types that share a storage; a date in a datetime column is its midnight, a duration is its
    /// number of microseconds.
    private static func convert(
        _ texts: ColumnTexts, _ type: DataType?, _ builder: inout FixedWidthBuilder<Int64>
    ) -> Int? {
        if type == .int64 || type == .duration {
            return texts.convert(
                parseInteger, { builder.append($0) }, null: { builder.appendNull(placeholder: 0) })
        }
        if let type, type.isInteger {
            return texts.convert(
                { parseInteger($0, as: type) }, { builder.append($0) },
                null: { builder.appendNull(placeholder: 0) })
        }
        return texts.convert(
            parseDateTime,
            rest: { parseDate($0).map { Int64($0) &* Int64(CivilDateTime.microsecondsPerDay) } },
            { builder.append($0) }, null: { builder.appendNull(placeholder: 0) })
    }

    /// What this rank has found out about the column.
    var guess: ColumnGuess {
        switch values {
        case .undecided: ColumnGuess(kinds: kinds, state: .undecided)
        case .abandoned: ColumnGuess(kinds: kinds, state: .wrong)
        default: ColumnGuess(kinds: kinds, state: type.map { .type($0) } ?? .wrong)
        }
    }

    /// The column, whose values have `type`, or which has none.
    consuming func finish(_ type: DataType) -> Column {
        if case .undecided = values { values = ColumnReader.builder(type, nulls: count) }
        switch values {
        case .undecided, .abandoned: return Column.empty(type)
        case .int64(let builder):
            return Kernels.narrowed(builder.finish(.int64), to: type)
        case .float64(let builder):
            return Kernels.narrowed(builder.finish(.float64), to: type)
        case .date(let builder): return builder.finish(type)
        case .bool(let builder): return builder.finish()
        case .string(let builder):
            let strings = builder.finish()
            return type == .category ? strings.encoded() : strings
        }
    }
}
