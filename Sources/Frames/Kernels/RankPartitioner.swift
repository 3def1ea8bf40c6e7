// Ranks first, then the partitions of each rank: one pass over the rows does the work of a shuffle
// and of the radix partitioning behind it.

/// A local partitioner's partitions, once per rank. The rank is that of the common hash, so that
/// the rows are hash-partitioned by their key as after any other shuffle.
struct RankPartitioner<Local: KeyPartitioner>: KeyPartitioner {
    let local: Local
    let rankCount: Int

    static var slotsAreKeys: Bool { Local.slotsAreKeys }

    /// A rank's partitions: the local ones, and that of rows that cannot match.
    var partitionsPerRank: Int { local.partitionCount + 1 }
    var partitionCount: Int { partitionsPerRank * rankCount }

    func slotCount(rowCount: Int) -> Int { local.slotCount(rowCount: rowCount) }

    @inline(__always)
    func partition(of key: Int64) -> Int {
        let rank = Destinations.rank(ofHash: hashInt64(key), UInt64(rankCount))
        return rank &* partitionsPerRank &+ local.partition(of: key)
    }

    @inline(__always)
    func slot(of key: Int64, slotCount: Int) -> Int { local.slot(of: key, slotCount: slotCount) }
}
