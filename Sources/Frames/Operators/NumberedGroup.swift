// The shuffle of a groupby: rows with equal keys to one rank, their keys as one or a few numbers where
// ranks can agree on these.

import MessagePassing

/// Rows of groups after a shuffle: their keys, or the numbers of these, then the other columns.
struct ShuffledGroups {
    let pieces: [Table]
    private let keyTypes: [DataType]
    /// Nil if the keys are as they were.
    private let numbers: KeyNumbers?

    var keyCount: Int { numbers?.count ?? keyTypes.count }

    init(_ pieces: [Table], keyTypes: [DataType], numbers: KeyNumbers? = nil) {
        self.pieces = pieces
        self.keyTypes = keyTypes
        self.numbers = numbers
    }

    /// Columns that begin as those of the pieces, with keys in place of their numbers.
    func withKeys(_ columns: [Column]) -> [Column] {
        guard let numbers else { return columns }
        return numbers.decoded(Array(columns.prefix(keyCount)), types: keyTypes)
            + columns.dropFirst(keyCount)
    }
}

extension StepRun {
    /// Each row to the rank that the common hash of its first `keyCount` columns chooses, whether
    /// these travel as numbers or not. Collective; size > 1. Cost: a scatter; if some rank has many
    /// rows, a header and an allgather of 56 bytes per key before, and a pass over the keys.
    func shuffleGroups(_ table: Table, keyCount: Int) throws(FrameError) -> ShuffledGroups {
        let keys = Array(table.columns.prefix(keyCount))
        let types = keys.map(\.type)
        let names = Array(table.schema.names.prefix(keyCount))
        guard Self.mayBeNumbered(table.schema, types) else {
            return ShuffledGroups(try shuffle(table, by: names), keyTypes: types)
        }
        let isLarge = table.rowCount >= NumberingLimits.leastRowCount / size
        let placement = Placement.hash(Array(0..<keyCount))
        if let pieces = try shuffle(table, to: placement, of: names, unlessAny: isLarge) {
            return ShuffledGroups(pieces, keyTypes: types)
        }
        let digits = keys.map(KeyEncoder.digits)
        let profiles = try agreedProfiles(
            Self.profiles(digits), of: digits.map(\.type), allowsNulls: true)
        guard let numbers = profiles.flatMap({ KeyNumbers($0) }),
            Self.keyBytes(types) ?? .max > 8 * numbers.count
        else {
            return ShuffledGroups(try shuffle(table, by: names), keyTypes: types)
        }
        let numbered = numbers.encoded(digits)
        let fields = numbered.indices.map { Field("number \($0)", .int64) }
        let rows = Table(
            schema: Schema(ofDistinct: fields + table.schema.fields.dropFirst(keyCount)),
            columns: numbered + table.columns.dropFirst(keyCount), rowCount: table.rowCount)
        let rankCount = size
        var first = 0
        let pieces = try scatter(rows) { part in
            let range = first..<first + part.rowCount
            first = range.upperBound
            return Destinations(
                hashing: keys.map { $0.slice(range) }, rowCount: part.rowCount,
                rankCount: rankCount)
        }
        return ShuffledGroups(pieces, keyTypes: types, numbers: numbers)
    }

    /// Can keys of these types be numbers, and would that spare bytes?
    private static func mayBeNumbered(_ schema: Schema, _ keys: [DataType]) -> Bool {
        keys.allSatisfy { !$0.isFloat && $0 != .category } && keyBytes(keys) ?? .max > 8
            // Dictionaries are made common in an exchange that may come to nothing.
            && !schema.fields.contains { $0.type == .category }
    }

    /// Bytes of a row's keys; nil if some are strings.
    private static func keyBytes(_ types: [DataType]) -> Int? {
        types.contains(.string) ? nil : types.reduce(0) { $0 + ($1.fixedWidth ?? 1) }
    }

    /// Nil, as soon as that is known, if some column has none.
    private static func profiles(_ columns: [Column]) -> [KeyProfile]? {
        var profiles: [KeyProfile] = []
        for column in columns {
            guard let profile = KeyProfile(column) else { return nil }
            profiles.append(profile)
        }
        return profiles
    }
}
