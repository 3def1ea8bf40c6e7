// Ranks first, then the partitions of each rank: one pass over the rows does the work of a shuffle
// and of the radix partitioning behind it.

/// A partitioner over all ranks, whose partitions of one rank lie side by side.
protocol RankPartitioner: KeyPartitioner {
    associatedtype Local: KeyPartitioner
    /// How a rank matches what it receives.
    var local: Local { get }
    var rankCount: Int { get }
}

extension RankPartitioner {
    static var slotsAreKeys: Bool { Local.slotsAreKeys }
    /// The local ones, and that of rows that cannot match.
    var partitionsPerRank: Int { local.partitionCount + 1 }
    var partitionCount: Int { partitionsPerRank * rankCount }
    func slotCount(rowCount: Int) -> Int { local.slotCount(rowCount: rowCount) }
    @inline(__always)
    func slot(of key: Int64, slotCount: Int) -> Int { local.slot(of: key, slotCount: slotCount) }
}

/// Any keys: the rank is that of the common hash.
struct HashRankPartitioner: RankPartitioner {
    let local: HashPartitioner
    let rankCount: Int

    @inline(__always)
    func bucket(of key: Int64) -> Int {
        let rank = Destinations.rank(ofHash: hashInt64(key), UInt64(rankCount))
        return rank &* partitionsPerRank &+ local.bucket(of: key)
    }
}

/// Keys of a narrow range: a rank gets whole blocks of consecutive keys, so that its tables are as
/// full as those of one rank that holds all keys.
struct BlockRankPartitioner: RankPartitioner {
    private let blocks: KeyBlocks
    let local: DensePartitioner
    var rankCount: Int { blocks.rankCount }

    init(_ blocks: KeyBlocks) {
        self.blocks = blocks
        let blocksPerRank = (blocks.blockCount + blocks.rankCount - 1) / blocks.rankCount
        local = DensePartitioner(
            minimum: blocks.minimum, shift: blocks.shift, partitionCount: blocksPerRank)
    }

    /// The block; behind the blocks one bucket per rank, for keys without a block. A division or a
    /// look-up per row, to find the block's rank, would double the time of the move.
    @inline(__always)
    func bucket(of key: Int64) -> Int {
        let block = blocks.block(of: key)
        if block < UInt64(truncatingIfNeeded: blocks.blockCount) {
            return Int(truncatingIfNeeded: block)
        }
        return blocks.blockCount &+ blocks.rank(outOfRange: key)
    }

    func partition(ofBucket bucket: Int) -> Int {
        if bucket == partitionCount { return bucket }
        if bucket >= blocks.blockCount {
            return (bucket - blocks.blockCount) * partitionsPerRank + local.partitionCount
        }
        let (position, rank) = bucket.quotientAndRemainder(dividingBy: rankCount)
        return rank * partitionsPerRank + position
    }
}
