// Which algorithm runs, by message length and number of ranks: the one place that knows the
// thresholds. They are where the latency of more steps outweighs the bandwidth saved, on
// loopback TCP and shared memory alike to within a factor of two, where the curves are flat.

enum AlgorithmChoice {
    /// Scatter and allgather instead of a tree, which makes the root send log₂ size copies.
    static func scattersBcast(byteCount: Int, size: Int) -> Bool {
        size > 3 && byteCount >= 256 << 10
    }

    /// Reduce-scatter and allgather instead of recursive doubling, which sends the whole vector
    /// log₂ size times.
    static func scattersAllreduce(byteCount: Int, elementCount: Int, size: Int) -> Bool {
        size > 2 && byteCount >= 64 << 10 && elementCount >= size
    }

    /// A ring instead of Bruck's algorithm, which copies every byte once more.
    static func ringsAllgather(byteCount: Int, size: Int) -> Bool {
        byteCount * size >= 32 << 10 || size == 2
    }
}
