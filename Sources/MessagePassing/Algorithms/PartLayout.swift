// Where the parts of a buffer lie, for algorithms: as a `Partition` says, or by a rule, which takes
// no memory.

/// The parts of a buffer, one per rank, in elements.
protocol PartLayout {
    func offset(of rank: Int) -> Int
    func count(of rank: Int) -> Int
}

extension Partition: PartLayout {
    func offset(of rank: Int) -> Int { offsets[rank] }
    func count(of rank: Int) -> Int { counts[rank] }
}

/// Parts of the same length, one after the other.
struct EqualParts: PartLayout {
    let count: Int

    func offset(of rank: Int) -> Int { rank * count }
    func count(of rank: Int) -> Int { count }
}

/// `total` elements in blocks whose sizes differ by one at most, larger ones first.
struct EvenBlocks: PartLayout {
    private let share: Int
    private let rest: Int

    init(_ total: Int, parts: Int) {
        (share, rest) = total.quotientAndRemainder(dividingBy: parts)
    }

    func offset(of rank: Int) -> Int { rank * share + min(rank, rest) }
    func count(of rank: Int) -> Int { share + (rank < rest ? 1 : 0) }
}

extension PartLayout {
    /// A rank's part of a buffer of elements of this size.
    @inline(__always)
    func part(
        of buffer: UnsafeRawBufferPointer, _ rank: Int, _ elementSize: Int
    ) -> UnsafeRawBufferPointer {
        buffer.part(offset(of: rank) * elementSize, count(of: rank) * elementSize)
    }

    @inline(__always)
    func part(
        of buffer: UnsafeMutableRawBufferPointer, _ rank: Int, _ elementSize: Int
    ) -> UnsafeMutableRawBufferPointer {
        buffer.part(offset(of: rank) * elementSize, count(of: rank) * elementSize)
    }
}
