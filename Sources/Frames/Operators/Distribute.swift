// Rows to where the user wants them: by hash, evenly, all on one rank, all on every rank.

import MessagePassing

extension StepRun {
    func distribute(
        _ input: Rows, _ distribution: Distribution
    ) throws(FrameError) -> Rows {
        if size == 1 { return input }
        switch distribution {
        case .hash(let keys):
            if input.partitioning == .hash(keys) { return input }
            let pieces = try shuffle(spread(input).table, by: keys)
            return Rows(table: Kernels.concat(pieces), partitioning: .hash(keys))
        case .even:
            return try rebalance(spread(input))
        case .root(let root):
            let table = spread(input).table
            let ranges = (0..<size).map { $0 == root ? 0..<table.rowCount : 0..<0 }
            let pieces = try sendRanges(table, ranges)
            // The order of the whole is kept, and with it the knowledge that it is sorted.
            return Rows(table: Kernels.concat(pieces), partitioning: input.partitioning.order)
        case .everywhere:
            if input.partitioning == .replicated { return input }
            let pieces = try gatherEverywhere(input.table)
            return Rows(table: Kernels.concat(pieces), partitioning: .replicated)
        }
    }

    /// Each row to the rank that the hash of `keys` chooses. Collective; size > 1.
    func shuffle(_ table: Table, by keys: [String]) throws(FrameError) -> [Table] {
        let indices = table.schema.indices(of: keys)
        let rankCount = size
        return try scatter(table) { part in
            Destinations(
                hashing: indices.map { part.columns[$0] }, rowCount: part.rowCount,
                rankCount: rankCount)
        }
    }

    /// Each row to the rank where rows with its keys are. Collective; size > 1.
    func shuffle(
        _ table: Table, to placement: Placement, of keys: [String]
    ) throws(FrameError) -> [Table] {
        try shuffle(table, to: placement, of: keys, unlessAny: false) ?? []
    }

    /// The same, unless any rank declines: then nothing moves, and nil is returned on all.
    func shuffle(
        _ table: Table, to placement: Placement, of keys: [String], unlessAny declines: Bool
    ) throws(FrameError) -> [Table]? {
        let rankCount = size
        return try scatter(table, unlessAny: declines) { part in
            switch placement {
            case .hash(let positions):
                let names = positions.map { keys[$0] }
                return Destinations(
                    hashing: part.schema.indices(of: names).map { part.columns[$0] },
                    rowCount: part.rowCount, rankCount: rankCount)
            case .blocks(let position, let blocks):
                let index = part.schema.indices(of: [keys[position]])[0]
                return Destinations(blocks, of: part.columns[index])
            case .numbers(let positions, let numbering, let blocks):
                let names = positions.map { keys[$0] }
                return Destinations(
                    numbering, blocks, of: part.schema.indices(of: names).map { part.columns[$0] },
                    rowCount: part.rowCount, rankCount: rankCount)
            }
        }
    }

    /// One header exchange to learn how many rows there are, then the rows.
    private func rebalance(_ input: Rows) throws(FrameError) -> Rows {
        var header = header()
        header.rowCount = input.table.rowCount
        let counts = try open(header).map(\.rowCount)
        let first = counts.prefix(rank).reduce(0, +)
        let mine = first..<first + input.table.rowCount
        let target = Partition(evenly: counts.reduce(0, +), parts: size)
        let ranges = (0..<size).map { rank in
            let range = target[rank].clamped(to: mine)
            return range.lowerBound - first..<range.upperBound - first
        }
        let pieces = try sendRanges(input.table, ranges)
        return Rows(table: Kernels.concat(pieces), partitioning: input.partitioning.order)
    }
}

extension Partitioning {
    /// What it says about order, which moving rows without reordering them keeps.
    var order: Partitioning {
        if case .range = self { self } else { .unknown }
    }
}

extension Schema {
    /// Positions of columns that were checked to exist.
    func indices(of names: [String]) -> [Int] {
        names.map { name in
            guard let index = index(of: name) else {
                preconditionFailure("column \(name) was checked")
            }
            return index
        }
    }
}
