// Integer keys of a narrow range, dealt to ranks in blocks of consecutive keys: what a join of dense
// keys leaves behind, and later joins and groups can build on.

/// Which rank a key belongs to when blocks of keys are dealt to ranks like cards.
///
/// Dealing, not cutting the range in one piece per rank, keeps ranks balanced where keys of some
/// region are more frequent.
public struct KeyBlocks: Sendable, Hashable {
    let minimum: Int64
    /// A block has 2^shift keys.
    let shift: UInt64
    let blockCount: Int
    let rankCount: Int

    /// Blocks that a rank gets at least, so that one more or less makes no difference.
    private static let blocksPerRank = 32

    /// Nil if the keys are too sparse for tables indexed by key, or too few for blocks.
    init?(_ range: ClosedRange<Int64>, rowCount: Int, rankCount: Int) {
        let width = UInt64(bitPattern: range.upperBound &- range.lowerBound)
        let least = UInt64(Self.blocksPerRank * rankCount)
        guard width >= least,
            let dense = DensePartitioner(
                minimum: range.lowerBound, range: width, rowCount: rowCount)
        else { return nil }
        var shift = dense.shift
        while width >> shift < least { shift -= 1 }
        minimum = range.lowerBound
        self.shift = shift
        blockCount = Int(width >> shift) + 1
        self.rankCount = rankCount
    }

    /// Beyond `blockCount` for a key out of range.
    @inline(__always)
    func block(of key: Int64) -> UInt64 { UInt64(bitPattern: key &- minimum) >> shift }

    @inline(__always)
    func rank(of key: Int64) -> Int {
        let block = block(of: key)
        return block < UInt64(truncatingIfNeeded: blockCount)
            ? Int(truncatingIfNeeded: block) % rankCount : rank(outOfRange: key)
    }

    /// Keys without a block go by their hash: equal ones to one rank.
    @inline(__always)
    func rank(outOfRange key: Int64) -> Int {
        Destinations.rank(ofHash: hashInt64(key), UInt64(rankCount))
    }
}

/// Where the rows with a given key are, in terms of key positions: two sides placed alike can be
/// joined as they are.
enum Placement: Hashable {
    /// By the common hash of these keys.
    case hash([Int])
    /// By the block of this key.
    case blocks(Int, KeyBlocks)
    /// By the number of these keys: by its block, or its hash where there are no blocks.
    case numbers([Int], KeyNumbering, KeyBlocks?)

    /// The same said of columns.
    func partitioning(of keys: [String]) -> Partitioning {
        switch self {
        case .hash(let positions): .hash(positions.map { keys[$0] })
        case .blocks(let position, let blocks): .blocks(keys[position], blocks)
        case .numbers(let positions, let numbering, let blocks):
            .numbers(positions.map { keys[$0] }, numbering, blocks)
        }
    }
}
