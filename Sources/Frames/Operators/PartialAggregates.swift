// Aggregates in two stages: what a rank computes of its own rows, how partial results of several
// ranks merge, and what the user asked for, made of them.

/// What a list of aggregates is computed from.
///
/// A mean is a sum and a count; equal parts of several aggregates are computed once. Whether a rank
/// has aggregated its rows or turned each into a partial result of its own, the columns are the
/// same, so each rank decides alone.
struct PartialAggregates {
    /// One column of partial results.
    struct Part: Hashable {
        let function: GroupAggregate.Function
        /// Which operand; nil for `len`.
        let operand: Int?
    }

    /// What is aggregated, evaluated before grouping.
    private(set) var operands: [(expression: Expression, type: DataType, description: String)] = []
    private(set) var parts: [Part] = []
    /// Per aggregate the parts it is made of: one, or for a mean its sum and its count.
    private var sources: [[Int]] = []
    private let aggregates: [Aggregate]

    /// - Parameter schema: of the rows that are aggregated; the aggregates were checked against it.
    init(_ aggregates: [Aggregate], schema: Schema) throws(FrameError) {
        self.aggregates = aggregates
        let context = CheckContext(operation: "agg", origin: Origin(file: "", line: 0))
        for aggregate in aggregates {
            guard let operand = aggregate.operand else {
                sources.append([add(.len, nil)])
                continue
            }
            // Means add up as float64: sums of int64 may wrap around. The kernels do so by
            // themselves with the two common types.
            let isMean = aggregate.function == .mean
            var expression = operand
            var type = try expression.node.type(in: schema, context)
            if isMean && type != .int64 && type != .float64 {
                expression = operand.cast(.float64)
                type = .float64
            }
            let index = add(expression, type)
            switch aggregate.function {
            case .sum: sources.append([add(.sum, index)])
            case .count, .len: sources.append([add(.count, index)])
            case .min: sources.append([add(.min, index)])
            case .max: sources.append([add(.max, index)])
            case .mean:
                let sum: GroupAggregate.Function = type == .float64 ? .sum : .floatSum
                sources.append([add(sum, index), add(.count, index)])
            case .first, .last, .std, .variance, .nUnique, .median, .quantile:
                preconditionFailure("\(aggregate.function) has no partial results")
            }
        }
    }

    private mutating func add(_ function: GroupAggregate.Function, _ operand: Int?) -> Int {
        let part = Part(function: function, operand: operand)
        if let known = parts.firstIndex(of: part) { return known }
        parts.append(part)
        return parts.count - 1
    }

    private mutating func add(_ expression: Expression, _ type: DataType) -> Int {
        let description = "\(expression.node)"
        if let known = operands.firstIndex(where: { $0.description == description }) {
            return known
        }
        operands.append((expression, type, description))
        return operands.count - 1
    }

    /// Columns of partial results, behind the keys; names are numbers.
    func fields() -> [Field] {
        parts.enumerated().map { index, part in
            Field("partial \(index)", type(of: part))
        }
    }

    private func type(of part: Part) -> DataType {
        guard let operand = part.operand else { return .int64 }
        let type = operands[operand].type
        switch part.function {
        case .len, .count: return .int64
        case .sum: return type.sumType
        case .floatSum: return .float64
        case .min, .max: return type
        }
    }

    /// Columns of sums, behind the keys: of operands, or of their partial results.
    func sums(keyCount: Int, ofParts: Bool) -> [Int] {
        parts.enumerated().compactMap { index, part in
            guard part.function == .sum, let operand = part.operand,
                operands[operand].type.sumType != .float64
            else { return nil }
            let type = ofParts ? type(of: part) : operands[operand].type
            guard type.storage == .int64 || type.storage == .uint64 else { return nil }
            return keyCount + (ofParts ? index : operand)
        }
    }

    /// What the kernel computes of raw rows: keys first, then operands.
    func first(keyCount: Int) -> [GroupAggregate] {
        parts.map { GroupAggregate($0.function, column: $0.operand.map { $0 + keyCount }) }
    }

    /// What the kernel computes of partial results: keys first, then parts.
    func merge(keyCount: Int) -> [GroupAggregate] {
        parts.enumerated().map { index, part in
            let function: GroupAggregate.Function =
                switch part.function {
                case .sum, .floatSum, .count, .len: .sum
                case .min: .min
                case .max: .max
                }
            return GroupAggregate(function, column: keyCount + index)
        }
    }

    /// Each row as a partial result of its own.
    func unaggregated(operands columns: [Column], rowCount: Int) -> [Column] {
        parts.map { part in
            guard let operand = part.operand else {
                return Literal.int64(1).column(count: rowCount)
            }
            let column = columns[operand]
            switch part.function {
            case .len: return Literal.int64(1).column(count: rowCount)
            case .count: return Evaluation.cast(Evaluation.unary(.isNotNull, column), to: .int64)
            case .sum: return Kernels.widened(column).reinterpreted(as: column.type.sumType)
            case .floatSum: return Evaluation.cast(column, to: .float64)
            case .min, .max: return column
            }
        }
    }

    /// The partial results of no rows, one row of them.
    func ofNothing() -> [Column] {
        parts.map { part in
            switch (part.function, type(of: part)) {
            case (.sum, .float64), (.floatSum, _): Column([0.0])
            case (.sum, let type), (.count, let type), (.len, let type):
                Column([Int64(0)]).reinterpreted(as: type)
            case (.min, let type), (.max, let type):
                Kernels.gather(Column.empty(type), RowIndices([-1]))
            }
        }
    }

    /// What the user asked for, given merged parts.
    func results(_ merged: [Column]) -> [Column] {
        zip(aggregates, sources).map { aggregate, sources in
            let column = merged[sources[0]]
            guard aggregate.function == .mean else { return column }
            let counts = Evaluation.cast(merged[sources[1]], to: .float64)
            let mean = Evaluation.binary(
                .divide, .column(column), .column(counts), count: column.count)
            let values = counts.pointer(as: Double.self)
            defer { withExtendedLifetime(counts) {} }
            let isDefined = Bitmap(count: column.count) { values[$0] > 0 }
            return isDefined.setCount == column.count ? mean : mean.with(validity: isDefined)
        }
    }
}
