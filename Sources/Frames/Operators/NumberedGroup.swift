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

    func partitioning(of keys: [String]) -> Partitioning {
        numbers.map { .numbers(keys, $0, nil) } ?? .hash(keys)
    }
}

extension StepRun {
    /// Each row to the rank of its first `keyCount` columns. Collective; size > 1. Cost: a scatter;
    /// if a rank has many rows, a header and an allgather of 56 bytes per key before.
    func shuffleGroups(_ table: Table, keyCount: Int) throws(FrameError) -> ShuffledGroups {
        let keys = Array(0..<keyCount)
        let types = keys.map { table.schema.fields[$0].type }
        let names = Array(table.schema.names.prefix(keyCount))
        let isPlain = keyCount == 1 && types[0].isInt64
        guard !isPlain, types.allSatisfy({ !$0.isFloat && $0 != .category }) else {
            return ShuffledGroups(try shuffle(table, by: names), keyTypes: types)
        }
        let isLarge = table.rowCount >= NumberingLimits.leastRowCount / size
        if let pieces = try shuffle(
            table, to: .hash(keys), of: names, unlessAny: isLarge)
        {
            return ShuffledGroups(pieces, keyTypes: types)
        }
        let columns = table.columns.prefix(keyCount).map(KeyEncoder.digits)
        let own = columns.compactMap { KeyProfile($0) }
        let profiles = try agreedProfiles(
            own.count == keyCount ? own : nil, of: columns.map(\.type))
        guard let numbers = profiles.flatMap({ KeyNumbers($0) }) else {
            return ShuffledGroups(try shuffle(table, by: names), keyTypes: types)
        }
        let numbered = numbers.encoded(columns)
        let fields = numbered.indices.map { Field("number \($0)", .int64) }
        let rows = Table(
            schema: Schema(ofDistinct: fields + table.schema.fields.dropFirst(keyCount)),
            columns: numbered + table.columns.dropFirst(keyCount), rowCount: table.rowCount)
        return ShuffledGroups(
            try shuffle(rows, by: fields.map(\.name)), keyTypes: types, numbers: numbers)
    }
}
