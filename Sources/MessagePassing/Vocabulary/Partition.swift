// How a contiguous buffer is divided among ranks: MPI's counts and displacements, in elements.

/// One part per rank of a buffer: part r is elements `offsets[r] ..< offsets[r] + counts[r]`.
///
/// `Partition(counts:)` packs the parts densely in rank order, which is what you want; explicit
/// displacements exist for algorithms that place parts elsewhere.
public struct Partition: Hashable, Sendable {
    /// Elements of each part.
    public let counts: [Int]
    /// First element of each part.
    public let offsets: [Int]
    /// Elements a buffer needs to hold every part.
    public let extent: Int

    /// Parts one after the other, in rank order.
    public init(counts: [Int]) {
        var offsets: [Int] = []
        offsets.reserveCapacity(counts.count)
        var end = 0
        for count in counts {
            offsets.append(end)
            end += count
        }
        self.counts = counts
        self.offsets = offsets
        self.extent = end
    }

    /// Parts at explicit places (MPI's `displs`).
    public init(counts: [Int], displacements: [Int]) {
        precondition(counts.count == displacements.count, "a displacement for every count")
        self.counts = counts
        self.offsets = displacements
        self.extent = zip(counts, displacements).map { $0 == 0 ? 0 : $0 + $1 }.max() ?? 0
    }

    /// `parts` equal parts of `count` elements.
    public init(count: Int, parts: Int) {
        self.init(counts: Array(repeating: count, count: parts))
    }

    /// `total` elements over `parts` ranks, sizes differing by one at most, larger ones first.
    public init(evenly total: Int, parts: Int) {
        let (share, rest) = total.quotientAndRemainder(dividingBy: parts)
        self.init(counts: (0..<parts).map { share + ($0 < rest ? 1 : 0) })
    }

    public var parts: Int { counts.count }

    @inlinable
    public subscript(part: Int) -> Range<Int> {
        offsets[part]..<offsets[part] + counts[part]
    }
}

/// A buffer with its partition: what collectives of unequal sizes return.
public struct Partitioned<Element: BitwiseCopyable> {
    /// All parts, in rank order.
    public var elements: [Element]
    public var partition: Partition

    @inlinable
    public init(elements: [Element], partition: Partition) {
        self.elements = elements
        self.partition = partition
    }

    /// The part that came from (or goes to) `rank`.
    @inlinable
    public subscript(rank: Int) -> ArraySlice<Element> { elements[partition[rank]] }

    @inlinable public var parts: Int { partition.parts }
    @inlinable public var counts: [Int] { partition.counts }
}

extension Partitioned: Sendable where Element: Sendable {}
extension Partitioned: Equatable where Element: Equatable {}
