// Which algorithm runs, by message length and number of ranks: the one place that knows the
// thresholds. They are where the latency of more steps outweighs the bandwidth or the messages
// saved, as `mpi-compare bench` measures it on loopback TCP, where the curves are flat to within a
// factor of two.

enum AlgorithmChoice {
    /// Up to here a rank reaches all others in one step as fast as in ⌈log₂ size⌉.
    private static let fewRanks = 8
    /// On one host, messages cost more than steps from here on.
    private static let manyRanksOnHost = 4
    /// From here a vector is worth dividing among the ranks.
    private static let longVector = 32 << 10
    /// On one host, each rank's share of such a vector: two messages to and from every rank.
    private static let longShareOnHost = 48 << 10

    /// The root tells all others itself, instead of a tree.
    static func tellsAllBcast(size: Int) -> Bool { size <= fewRanks }

    /// Scatter and allgather instead of a tree or the root alone, which sends many whole copies.
    static func scattersBcast(byteCount: Int, size: Int) -> Bool {
        size > 2 && byteCount >= 128 << 10
    }

    /// Every rank reduces one block of the vector for all: so long vectors cost each rank 2n bytes
    /// however many there are.
    static func scattersReduction(
        byteCount: Int, elementCount: Int, size: Int, isOnOneHost: Bool
    ) -> Bool {
        let least = isOnOneHost ? max(longVector, size * longShareOnHost) : longVector
        return size > 1 && byteCount >= least && elementCount >= size
    }

    /// The root of a reduction hears from all others itself, instead of a tree.
    static func hearsAllReduce(size: Int) -> Bool { size <= fewRanks }

    /// Every rank hears from all others and reduces for itself, instead of recursive doubling.
    static func hearsAllAllreduce(byteCount: Int, size: Int, isOnOneHost: Bool) -> Bool {
        size > 2 && size <= (isOnOneHost ? manyRanksOnHost - 1 : fewRanks)
            && byteCount <= 4 << 10
    }

    /// Bruck's algorithm, which has few steps and copies every byte once more, instead of telling
    /// all others at once. On one host it pays until that copy leaves the caches.
    static func doublesAllgather(byteCount: Int, size: Int, isOnOneHost: Bool) -> Bool {
        let (least, most) = isOnOneHost ? (manyRanksOnHost, 512 << 10) : (fewRanks + 1, 32 << 10)
        return size >= least && byteCount <= most / size
    }
}
