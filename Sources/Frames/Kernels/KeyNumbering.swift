// How rows of several columns are numbered: in the order of the columns' values, as digits of which
// each is as wide as its column's range. Small enough to be sent, so that ranks can number alike.

/// Numbers for the rows of some columns, made by `KeyEncoder` and read by `KeyDecoder`.
public struct KeyNumbering: Sendable, Hashable {
    enum Digit: Hashable {
        case integer(minimum: Int64)
        case text(TextDigits)
    }
    struct Part: Hashable {
        let digit: Digit
        /// Values a digit may take, null included.
        let radix: UInt64
        /// Added to a value's digit: 1 if 0 stands for null.
        let offset: UInt64
        /// Nil if there are no nulls.
        let null: UInt64?
        /// The greatest digit, if digits count down from it.
        let descendsFrom: UInt64?
    }

    private(set) var parts: [Part] = []
    /// Numbers are below it.
    private(set) var limit: UInt64 = 1

    /// The greatest limit there may be: numbers are int64s too.
    static let limit: UInt64 = 1 << 63

    /// Of no columns.
    init() {}

    /// Nil if the numbers would not fit.
    init?(_ profiles: [KeyProfile]) {
        for profile in profiles where !append(profile) { return nil }
    }

    /// Adds a column behind the others, in a sort's order if that is given. False, and nothing
    /// added, if the numbers would not fit.
    mutating func append(_ profile: KeyProfile, order: ColumnOrder? = nil) -> Bool {
        guard let (digit, count) = Self.digit(of: profile.values) else { return false }
        let nullsFirst = order?.nullsFirst ?? true
        let part = Part(
            digit: digit, radix: count + (profile.hasNulls ? 1 : 0),
            offset: profile.hasNulls && nullsFirst ? 1 : 0,
            null: profile.hasNulls ? (nullsFirst ? 0 : count) : nil,
            descendsFrom: order?.descending == true ? count - 1 : nil)
        let (product, overflow) = limit.multipliedReportingOverflow(by: part.radix)
        guard !overflow, product <= Self.limit else { return false }
        limit = product
        parts.append(part)
        return true
    }

    /// What a column's digit is, and how many values it has.
    private static func digit(of values: KeyProfile.Values) -> (Digit, UInt64)? {
        switch values {
        case .integers(let least, let greatest):
            if least > greatest { return (.integer(minimum: 0), 1) }
            let width = UInt64(bitPattern: greatest &- least)
            return width < limit ? (.integer(minimum: least), width + 1) : nil
        case .texts(let profile):
            return TextDigits(profile).map { (.text($0), $0.limit) }
        }
    }

    /// If numbers are those of one int64 column without nulls: the value whose number is 0, and
    /// whether values decrease from there. Nil otherwise.
    var singleInteger: (start: Int64, descends: Bool)? {
        guard parts.count == 1, parts[0].null == nil, case .integer(let minimum) = parts[0].digit
        else { return nil }
        if let last = parts[0].descendsFrom {
            return (minimum &+ Int64(bitPattern: last), true)
        }
        return (minimum, false)
    }

    /// Which rows have a number, all their values being such as were numbered; nil if all have.
    /// - Parameter columns: as `KeyEncoder.digits` gives them.
    func contains(_ columns: [Column], rowCount: Int) -> Bitmap? {
        var inside: Bitmap?
        for (part, column) in zip(parts, columns) {
            let isInside: Bitmap
            switch part.digit {
            case .integer(let minimum):
                // The greatest value's digit; null counts in the radix.
                let last = part.radix &- 1 &- (part.null == nil ? 0 : 1)
                let values = column.pointer(as: Int64.self)
                isInside = Bitmap(count: rowCount) {
                    UInt64(bitPattern: values[$0] &- minimum) <= last
                }
            case .text(let digits): isInside = digits.contains(column)
            }
            var known = isInside
            if let validity = column.validity {
                // A null has a number exactly if nulls were numbered.
                let nullIsKnown = part.null != nil
                known = Bitmap(count: rowCount) { validity[$0] ? isInside[$0] : nullIsKnown }
            }
            inside = inside.map { $0.and(known) } ?? known
            withExtendedLifetime(column) {}
        }
        return inside.flatMap { $0.setCount == rowCount ? nil : $0 }
    }
}
