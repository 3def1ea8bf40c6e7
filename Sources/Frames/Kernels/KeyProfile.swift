// What has to be known of columns before their rows can be numbered. Ranks that put theirs together
// number alike, and can read each other's numbers.

/// The values of a column, as far as their numbering goes.
struct KeyProfile {
    enum Values {
        /// int64 from least to greatest; none if they are the other way round.
        case integers(least: Int64, greatest: Int64)
        case texts(TextProfile)
    }

    private(set) var values: Values
    /// Has the column a bitmap that says so?
    private(set) var hasNulls: Bool

    /// One pass over the column, of int64 or strings. Nil if its strings are too long, or too many.
    init?(_ column: Column) {
        hasNulls = column.validity != nil
        switch column.type {
        case .string:
            var profile = TextProfile()
            guard profile.add(column) else { return nil }
            values = .texts(profile)
        case .int64:
            let range = Kernels.keyRange([column])
            values = .integers(
                least: range?.minimum ?? .max,
                greatest: range.map { $0.minimum &+ Int64(bitPattern: $0.width) } ?? .min)
        default: return nil
        }
    }

    /// Of no rows.
    init(ofNoRows type: DataType) {
        hasNulls = false
        values =
            type == .string ? .texts(TextProfile()) : .integers(least: .max, greatest: .min)
    }

    /// Adds what is known of other rows of the column.
    mutating func add(_ other: KeyProfile) {
        hasNulls = hasNulls || other.hasNulls
        switch (values, other.values) {
        case (.integers(let least, let greatest), .integers(let otherLeast, let otherGreatest)):
            values = .integers(
                least: min(least, otherLeast), greatest: max(greatest, otherGreatest))
        case (.texts(var profile), .texts(let other)):
            profile.add(other)
            values = .texts(profile)
        default: preconditionFailure("columns of one type")
        }
    }

    // MARK: Between ranks

    /// UInt64s per profile on the wire.
    static let wordCount = 7

    /// First whether there are nulls; then least and greatest, or a text's profile.
    var words: [UInt64] {
        let flag: UInt64 = hasNulls ? 1 : 0
        switch values {
        case .integers(let least, let greatest):
            return [flag, UInt64(bitPattern: least), UInt64(bitPattern: greatest), 0, 0, 0, 0]
        case .texts(let profile): return [flag] + profile.words
        }
    }

    /// Nil if no rank can have said that of a column of `type`, int64 or string.
    init?(_ words: some RandomAccessCollection<UInt64>, of type: DataType) {
        guard words.count == Self.wordCount, let flag = words.first, flag <= 1 else { return nil }
        hasNulls = flag == 1
        let rest = Array(words.dropFirst())
        if type == .string {
            guard let profile = TextProfile(rest) else { return nil }
            values = .texts(profile)
        } else {
            let (least, greatest) = (Int64(bitPattern: rest[0]), Int64(bitPattern: rest[1]))
            guard least <= greatest || (least, greatest) == (.max, .min),
                rest.dropFirst(2).allSatisfy({ $0 == 0 })
            else { return nil }
            values = .integers(least: least, greatest: greatest)
        }
    }
}
