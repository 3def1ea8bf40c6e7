// Keys that hold so large a share of one side of a join that the rank of their hash would get too
// many rows. Found by a sample; ranks agree on them in one exchange, and only if one has seen any.

import MessagePassing

/// When a key is heavy.
package enum HeavyKeyLimits {
    /// Sides of fewer rows are never spread. Settable so that tests need not have as many.
    @TaskLocal package static var leastRowCount = 1 << 16

    /// Of a side's rows, the share that makes a key heavy: a quarter of a rank's.
    static func share(rankCount: Int) -> Double { 1 / (4 * Double(rankCount)) }
}

/// How often keys occur in a sample of one rank's rows of a side.
struct KeySample {
    /// The most frequent keys' hashes, each with about as many rows as this rank has of it.
    private(set) var counts: [(hash: UInt64, rowCount: Int)] = []
    private(set) var rowCount = 0
    /// Has some key so large a share of this rank's rows that it may be heavy? Of a heavy key, at
    /// least one rank has as large a share of its own.
    private(set) var isSkewed = false

    /// Of no rows: a side that is not to be spread.
    init() {}

    init(_ table: Table, keys: [Int], rankCount: Int) {
        rowCount = table.rowCount
        guard rowCount > 0, rowCount >= HeavyKeyLimits.leastRowCount / rankCount else { return }
        let sampleCount = min(rowCount, Self.leastSampleCount * rankCount, Self.sampleLimit)
        let stride = rowCount / sampleCount
        // One row of each stride, not always the first: rows may repeat in a rhythm of their own.
        let rows = (0..<sampleCount).map {
            $0 * stride + Int(hashInt64(Int64($0)) >> 32) % stride
        }
        let indices = RowIndices(rows)
        let hashes = Kernels.rowHashes(keys.map { Kernels.gather(table.columns[$0], indices) })
        let sorted = UnsafeBufferPointer(
            start: hashes.elements(as: UInt64.self), count: sampleCount
        ).sorted()
        withExtendedLifetime(hashes) {}
        var runs: [(hash: UInt64, count: Int)] = []
        for hash in sorted {
            if let last = runs.indices.last, runs[last].hash == hash {
                runs[last].count += 1
            } else {
                runs.append((hash, 1))
            }
        }
        // A sample's share strays from the true one by a few of its square roots.
        let least = 0.7 * HeavyKeyLimits.share(rankCount: rankCount) * Double(sampleCount)
        runs.sort { ($0.count, $0.hash) > ($1.count, $1.hash) }
        isSkewed = runs.first.map { Double($0.count) >= least } ?? false
        counts = runs.prefix(Self.candidateLimit(rankCount)).filter { $0.count > 1 }.map {
            ($0.hash, $0.count * rowCount / sampleCount)
        }
    }

    private static let leastSampleCount = 512
    private static let sampleLimit = 1 << 14

    /// Keys that a rank tells the others of, per side.
    static func candidateLimit(_ rankCount: Int) -> Int { min(8 * rankCount, 256) }
}

/// The keys to spread, the same on all ranks. A key is known by its hash: keys of equal hashes are
/// treated alike on both sides.
struct HeavyKeys {
    /// What becomes of the rows with a key.
    enum Treatment: UInt8 {
        /// They go to the rank of their hash.
        case moved
        /// The left ones stay spread over the ranks, the right ones go to all.
        case spreadsLeft
        /// The other way round.
        case spreadsRight
    }

    private(set) var count = 0
    private(set) var spreadsAnyLeft = false
    private(set) var spreadsAnyRight = false
    /// Are spread rows about evenly on the ranks as they are? If not, they are dealt out.
    private(set) var leftIsEven = true
    private(set) var rightIsEven = true
    /// Open addressing by the hash's low bits; a slot of treatment `moved` is free.
    private var hashes: [UInt64] = []
    private var treatments: [Treatment] = []

    var isEmpty: Bool { count == 0 }

    @inline(__always)
    func treatment(of hash: UInt64) -> Treatment {
        var slot = Int(truncatingIfNeeded: hash) & (hashes.count - 1)
        while treatments[slot] != .moved && hashes[slot] != hash {
            slot = (slot + 1) & (hashes.count - 1)
        }
        return treatments[slot]
    }

    private mutating func insert(_ hash: UInt64, _ treatment: Treatment) {
        var slot = Int(truncatingIfNeeded: hash) & (hashes.count - 1)
        while treatments[slot] != .moved { slot = (slot + 1) & (hashes.count - 1) }
        hashes[slot] = hash
        treatments[slot] = treatment
        count += 1
        if treatment == .spreadsLeft { spreadsAnyLeft = true } else { spreadsAnyRight = true }
    }

    /// What one rank tells the others: per side its rows, then pairs of hash and rows.
    static func message(_ left: KeySample, _ right: KeySample, rankCount: Int) -> [UInt64] {
        var words: [UInt64] = []
        for sample in [left, right] {
            words.append(UInt64(sample.rowCount))
            for index in 0..<KeySample.candidateLimit(rankCount) {
                let (hash, rows) = index < sample.counts.count ? sample.counts[index] : (0, 0)
                words += [hash, UInt64(rows)]
            }
        }
        return words
    }

    /// - Parameters:
    ///   - messages: of all ranks, one after the other.
    ///   - spreadable: sides that would move, and so can be spread.
    init(_ messages: [UInt64], rankCount: Int, spreadable: (left: Bool, right: Bool)) {
        var sides = [SideWeights(rankCount: rankCount), SideWeights(rankCount: rankCount)]
        let candidates = KeySample.candidateLimit(rankCount)
        let sideLength = 1 + 2 * candidates
        for rank in 0..<rankCount {
            for side in 0..<2 {
                let start = (2 * rank + side) * sideLength
                sides[side].rowCount += Double(messages[start])
                for index in 0..<candidates {
                    let place = start + 1 + 2 * index
                    let rows = Double(messages[place + 1])
                    if rows > 0 { sides[side].add(messages[place], rank: rank, rows) }
                }
            }
        }
        var heavy: [(hash: UInt64, treatment: Treatment)] = []
        let (left, right) = (sides[0], sides[1])
        for hash in Set(left.byRank.keys).union(right.byRank.keys).sorted() {
            let leftIsHeavy = spreadable.left && left.isHeavy(hash)
            let rightIsHeavy = spreadable.right && right.isHeavy(hash)
            if leftIsHeavy && (!rightIsHeavy || left.rows(of: hash) >= right.rows(of: hash)) {
                heavy.append((hash, .spreadsLeft))
            } else if rightIsHeavy {
                heavy.append((hash, .spreadsRight))
            }
        }
        var capacity = 8
        while capacity < 4 * heavy.count { capacity *= 2 }
        hashes = Array(repeating: 0, count: capacity)
        treatments = Array(repeating: .moved, count: capacity)
        for (hash, treatment) in heavy { insert(hash, treatment) }
        leftIsEven = left.areEven(heavy.filter { $0.treatment == .spreadsLeft }.map(\.hash))
        rightIsEven = right.areEven(heavy.filter { $0.treatment == .spreadsRight }.map(\.hash))
    }
}

/// How the rows of one side's frequent keys are spread over the ranks, about.
private struct SideWeights {
    let rankCount: Int
    var rowCount = 0.0
    var byRank: [UInt64: [Double]] = [:]

    mutating func add(_ hash: UInt64, rank: Int, _ rows: Double) {
        byRank[hash, default: Array(repeating: 0, count: rankCount)][rank] += rows
    }

    init(rankCount: Int) { self.rankCount = rankCount }

    func rows(of hash: UInt64) -> Double { byRank[hash]?.reduce(0, +) ?? 0 }

    func isHeavy(_ hash: UInt64) -> Bool {
        rowCount >= Double(HeavyKeyLimits.leastRowCount)
            && rows(of: hash) >= rowCount * HeavyKeyLimits.share(rankCount: rankCount)
    }

    /// Has no rank more than a quarter above the mean?
    func areEven(_ hashes: [UInt64]) -> Bool {
        var rows = Array(repeating: 0.0, count: rankCount)
        for hash in hashes {
            for (rank, own) in (byRank[hash] ?? []).enumerated() { rows[rank] += own }
        }
        let mean = rows.reduce(0, +) / Double(rankCount)
        return rows.allSatisfy { $0 <= 1.25 * mean }
    }
}

extension StepRun {
    /// The heavy keys of both sides. Collective: one allgather of at most 8 KiB per rank.
    func heavyKeys(
        _ left: KeySample, _ right: KeySample, spreadable: (left: Bool, right: Bool)
    ) throws(FrameError) -> HeavyKeys {
        let message = HeavyKeys.message(left, right, rankCount: size)
        let bytes = message.count * 8 * (size - 1)
        let all = try communicate(sent: bytes, received: bytes) { (world) throws(MPIError) in
            try world.allgather(message.span)
        }
        return HeavyKeys(all, rankCount: size, spreadable: spreadable)
    }
}
