// What can be said of a plan before it runs: how many rows and bytes each step yields on this rank,
// and where they will be. The rules of placement are those of the operators.

/// The rows of a step, as far as they are known beforehand.
struct PlanEstimate {
    /// How sure the number of rows is.
    enum Certainty: String {
        case exact = ""
        case atMost = "≤ "
        case about = "~ "
    }

    var rowCount: Int
    var certainty: Certainty
    /// Mean bytes of a value, by column.
    var widths: [String: Double]
    var partitioning: Partitioning
    /// What the ranks will exchange for it, in words; nil for nothing.
    var movement: String?

    var byteCount: Int { Int(Double(rowCount) * widths.values.reduce(0, +)) }
}

extension PlanEstimate {
    /// - Parameter inputs: those of the node's inputs.
    init(_ node: PlanNode, _ inputs: [PlanEstimate]) {
        if case .source(let frame) = node.operation {
            self.init(source: frame)
            return
        }
        self = inputs[0]
        movement = nil
        let size = node.communicator.size
        switch node.operation {
        case .source: break
        case .project(let expressions):
            partitioning = partitioning.renamed { name in
                expressions.first {
                    if case .column(name) = $0.node { true } else { false }
                }?.name
            }
        case .filter: certainty = .atMost
        case .join(let join): self.join(inputs[1], join, node, size)
        case .crossJoin:
            rowCount *= inputs[1].rowCount * size
            movement = size > 1 ? "sends the right side to all" : nil
        case .group(let keys, let aggregates):
            certainty = .atMost
            if keys.isEmpty {
                (rowCount, certainty, partitioning) = (1, .exact, .replicated)
                movement = size > 1 ? "combines one row of each rank" : nil
            } else if !partitioning.colocates(keys), size > 1 {
                movement =
                    aggregates.contains(where: \.isHolistic)
                    ? "shuffles rows by \(keys)" : "shuffles groups by \(keys)"
                partitioning = .hash(keys)
            }
        case .sort(let keys):
            movement = size > 1 ? "shuffles rows by range" : nil
            partitioning = .range(keys)
        case .unique(let names):
            certainty = .atMost
            if !partitioning.colocates(names), size > 1 {
                movement = "shuffles rows by \(names)"
                partitioning = .hash(names)
            }
        case .concat:
            rowCount = inputs.reduce(0) { $0 + $1.rowCount }
            certainty = inputs.allSatisfy { $0.certainty == .exact } ? .exact : .about
            if inputs.contains(where: { $0.partitioning != partitioning }) {
                partitioning = .unknown
            }
        case .head(let count), .topK(let count, _), .sample(.count(let count, _)):
            (rowCount, certainty) = (min(rowCount, count), .atMost)
            movement = size > 1 ? "tells numbers of rows" : nil
        case .slice, .sample, .rowIndex:
            certainty = .atMost
            movement = size > 1 ? "tells numbers of rows" : nil
        case .mapPartitions: (certainty, partitioning) = (.about, .unknown)
        case .describe:
            (rowCount, certainty, partitioning) = (8, .about, .replicated)
            movement = size > 1 ? "combines statistics" : nil
        case .distribute(let distribution): distribute(distribution, size)
        }
        let known = inputs.reduce(into: [:]) { $0.merge($1.widths) { first, _ in first } }
        widths = [:]
        for field in node.schema.fields {
            widths[field.name] = known[field.name] ?? Double(field.type.fixedWidth ?? 16)
        }
    }

    private init(source frame: Frame) {
        let table = frame.table
        var widths: [String: Double] = [:]
        for (field, column) in zip(table.schema.fields, table.columns) {
            widths[field.name] = Double(column.byteCount) / Double(max(table.rowCount, 1))
        }
        self.init(
            rowCount: table.rowCount, certainty: .exact, widths: widths,
            partitioning: frame.partitioning)
    }

    /// The choice that `StepRun.join` will make if the sizes are as estimated.
    private mutating func join(
        _ right: PlanEstimate, _ join: JoinSpecification, _ node: PlanNode, _ size: Int
    ) {
        let left = self
        rowCount = join.kind.hasRightColumns ? max(rowCount, right.rowCount) : rowCount
        certainty = join.kind.hasRightColumns ? .about : .atMost
        let isInPlace = right.partitioning == .replicated && join.kind != .full
        if size == 1 || isInPlace { return }
        if (left.partitioning, right.partitioning) == (.replicated, .replicated) { return }
        if left.partitioning == .replicated && join.kind == .inner {
            partitioning = .unknown
            return
        }
        let placement = left.partitioning.placement(in: join.leftKeys)
        if let placement {
            if placement != right.partitioning.placement(in: join.rightKeys) {
                movement = "shuffles the right side to where the left one is"
            }
            return
        }
        if right.partitioning.placement(in: join.rightKeys) != nil {
            movement = "shuffles the left side to where the right one is"
            partitioning = .hash(join.leftKeys)
            return
        }
        if !join.kind.hasRightColumns {
            movement = "shuffles the right side's different keys, and the left side to them"
            partitioning = .hash(join.leftKeys)
            return
        }
        // A right join is a left one with sides exchanged; this rank's share stands for all others'.
        let isRight = join.kind == .right
        let (first, second) = isRight ? (right, left) : (left, right)
        let costs = JoinCosts(
            isRight ? .left : join.kind, leftBytes: first.byteCount * size,
            rightBytes: second.byteCount * size, size: size,
            costs: JoinCosts.costs(of: node.communicator))
        switch costs.best {
        case .sendRight:
            movement = "sends the \(isRight ? "left" : "right") side to all"
            if isRight { partitioning = .unknown }
        case .sendLeft: (movement, partitioning) = ("sends the left side to all", .unknown)
        case .shuffle:
            (movement, partitioning) = ("shuffles both sides by key", .hash(join.leftKeys))
        }
        movement? += " (\(costs.reason(swapped: isRight)))"
    }

    private mutating func distribute(_ distribution: Distribution, _ size: Int) {
        switch distribution {
        case .hash(let keys):
            if partitioning != .hash(keys) { movement = "shuffles rows by \(keys)" }
            partitioning = .hash(keys)
        case .even:
            (movement, partitioning) = ("moves rows until all ranks have as many", .unknown)
        case .root(let root):
            (movement, partitioning) = ("sends all rows to rank \(root)", .unknown)
        case .everywhere:
            (movement, partitioning) = ("sends all rows to all", .replicated)
            rowCount *= size
        }
        if size == 1 { movement = nil }
    }
}
