// Verbs that say which rank holds which rows.

extension Relation {
    /// Rows with equal `keys` on one rank, which their hash chooses: what joins and groups on these
    /// keys need, done once for all of them.
    ///
    /// Collective. Cost: each row moves once, at most size − 1 messages each way.
    /// - Throws: `missingColumn`.
    public func repartition(
        by keys: ColumnNames, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("repartition", .distribute(.hash(keys.names)), file: file, line: line)
    }

    /// Equally many rows on each rank, in the same order. Collective. Cost: each row moves at most
    /// once.
    public func rebalance(file: String = #fileID, line: Int = #line) throws(FrameError) -> Self {
        try adding("rebalance", .distribute(.even), file: file, line: line)
    }

    /// All rows on rank `root`, in order; the others hold none. Collective. Cost: `root` receives
    /// every other rank's rows, which must fit its memory.
    /// - Throws: `invalidArgument` for a rank that does not exist.
    public func gather(
        to root: Int = 0, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        try adding("gather", .distribute(.root(root)), file: file, line: line)
    }

    /// All rows on every rank, in order, for small results. Verbs on it run without messages.
    /// Collective. Cost: every rank receives every other rank's rows.
    public func replicate(file: String = #fileID, line: Int = #line) throws(FrameError) -> Self {
        try adding("replicate", .distribute(.everywhere), file: file, line: line)
    }

    /// The rows in a random order, which depends on the seed and not on the number of ranks.
    ///
    /// Collective. Cost: as `sort` by one number.
    /// - Throws: `communication`.
    public func shuffle(
        seed: UInt64 = 0, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Self {
        let names = schema.names
        var place = "place"
        while names.contains(place) { place += "_" }
        let generator = CounterGenerator(seed: seed, frame: 0, column: 1)
        return try withRowIndex(place, file: file, line: line)
            .adding(
                "shuffle",
                .project(
                    names.map { col($0) } + [
                        Expression(.function(RandomWords(generator), [.column(place)])).as(place)
                    ]), file: file, line: line
            )
            .sort(by: SortKeys([.ascending(place)]), file: file, line: line)
            .adding("shuffle", .project(names.map { col($0) }), file: file, line: line)
    }
}

/// A random number for each row's number.
private struct RandomWords: ColumnFunction {
    let generator: CounterGenerator
    var text: String { "random()" }

    init(_ generator: CounterGenerator) { self.generator = generator }

    func type(of operands: [OperandType]) -> DataType? {
        operands[0].type == .int64 ? .uint64 : nil
    }

    func evaluate(_ operands: [Operand], count: Int) -> Column {
        NumericFunction.map(operands[0].column(count: count)) { (row: Int64) in
            Int64(bitPattern: generator.word(Int(row)))
        }.reinterpreted(as: .uint64)
    }
}
