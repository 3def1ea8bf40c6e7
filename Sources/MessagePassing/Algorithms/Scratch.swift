// Memory that algorithms need for the time of a call. Fresh pages cost as much as the reduction
// done on them, so larger blocks are kept for the next call, and small ones live on the stack or with
// a communicator.
import Synchronization

/// Aligned scratch memory for the time of `body`; its content is undefined.
package func withScratch<Result>(
    byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws(MPIError) -> Result
) throws(MPIError) -> Result {
    if byteCount <= ScratchPool.minimumByteCount {
        return try withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 64) {
            (scratch) throws(MPIError) in try body(scratch)
        }
    }
    let block = ScratchPool.shared.take(byteCount)
    defer { ScratchPool.shared.give(block) }
    return try body(UnsafeMutableRawBufferPointer(rebasing: block[..<byteCount]))
}

/// Blocks between two calls, by powers of two. All threads share it: ranks may be threads.
package final class ScratchPool: Sendable {
    package static let shared = ScratchPool()
    /// The smallest block: a cache line.
    static let leastByteCount = 64
    /// `withScratch` takes less from the stack.
    static let minimumByteCount = 8 << 10
    /// Kept in sum; a block beyond it is freed.
    static let limitByteCount = 64 << 20

    private struct State: ~Copyable, @unchecked Sendable {
        /// The kept blocks of 2^index bytes.
        var blocks: [[UnsafeMutableRawBufferPointer]] = Array(repeating: [], count: Int.bitWidth)
        var byteCount = 0
    }
    private let state = Mutex(State())

    package func take(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
        let power = Int.bitWidth - max(byteCount - 1, Self.leastByteCount - 1).leadingZeroBitCount
        let address = state.withLock { state -> UInt? in
            guard let block = state.blocks[power].popLast() else { return nil }
            state.byteCount -= block.count
            return UInt(bitPattern: block.baseAddress)
        }
        if let address, let start = UnsafeMutableRawPointer(bitPattern: address) {
            return UnsafeMutableRawBufferPointer(start: start, count: 1 << power)
        }
        return .allocate(byteCount: 1 << power, alignment: min(1 << power, 4096))
    }

    package func give(_ block: UnsafeMutableRawBufferPointer) {
        let power = block.count.trailingZeroBitCount
        let address = UInt(bitPattern: block.baseAddress)
        let count = block.count
        let isKept = state.withLock { state in
            guard state.byteCount + count <= Self.limitByteCount else { return false }
            state.blocks[power].append(
                UnsafeMutableRawBufferPointer(
                    start: UnsafeMutableRawPointer(bitPattern: address), count: count))
            state.byteCount += count
            return true
        }
        if !isKept { block.deallocate() }
    }
}
