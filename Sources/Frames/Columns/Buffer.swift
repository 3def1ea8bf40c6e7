// Memory of columns. First touch of fresh pages costs as much as the work done on them, so large
// buffers ask for huge pages and are reused instead of being given back to the system.
import Glibc
import Synchronization

/// A block of memory, 64-byte aligned, freed (or kept for reuse) with its last reference.
///
/// Filled by its maker, then shared read-only: that discipline, not a lock, makes it Sendable.
final class Buffer: @unchecked Sendable {
    let pointer: UnsafeMutableRawPointer
    /// Usable bytes. At least 64 more are readable, so that kernels may load whole words, and those of
    /// a buffer that is no view its maker may write to.
    let byteCount: Int
    private let capacity: Int
    private let isKept: Bool
    /// Whose memory this is a part of; nil if it is its own.
    private let owner: Buffer?

    /// Uninitialised memory.
    /// - Parameter isKept: for reuse; what is of no column's size, and of none of the next operator's,
    ///   had better go back to the system at once.
    init(byteCount: Int, isKept: Bool = true) {
        precondition(byteCount >= 0, "a buffer of \(byteCount) bytes")
        let (pointer, capacity) = BufferPool.shared.take(byteCount + 64)
        self.pointer = pointer
        self.capacity = capacity
        self.byteCount = byteCount
        self.isKept = isKept
        self.owner = nil
    }

    /// A part of `owner`'s memory, which it keeps alive. No copy.
    init(viewing owner: Buffer, from offset: Int, byteCount: Int) {
        precondition(
            offset >= 0 && byteCount >= 0 && offset + byteCount <= owner.byteCount,
            "a view beyond its buffer")
        self.pointer = owner.pointer + offset
        self.capacity = 0
        self.byteCount = byteCount
        self.isKept = false
        self.owner = owner
    }

    convenience init(zeroedByteCount byteCount: Int) {
        self.init(byteCount: byteCount)
        memset(pointer, 0, byteCount + 64)
    }

    convenience init<Element: BitwiseCopyable>(copying elements: [Element]) {
        self.init(byteCount: elements.count * MemoryLayout<Element>.stride)
        elements.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { memcpy(pointer, base, bytes.count) }
        }
    }

    deinit {
        if owner == nil { BufferPool.shared.give(pointer, capacity, isKept: isKept) }
    }

    @inline(__always)
    func elements<Element: BitwiseCopyable>(
        as type: Element.Type
    ) -> UnsafeMutablePointer<Element> {
        pointer.assumingMemoryBound(to: type)
    }
}

/// Large blocks waiting for their next use, by size class.
final class BufferPool: Sendable {
    static let shared = BufferPool()

    /// Smaller blocks are left to malloc, which reuses them well itself.
    static let minimumByteCount = 1 << 17
    private static let hugePageByteCount = 2 << 20
    /// Blocks kept per process; beyond it they go back to the system.
    static let limitByteCount = 1 << 30

    private struct State {
        var free: [Int: [UInt]] = [:]
        var byteCount = 0

        /// A waiting block of the capacity, or of up to twice as much: its pages are there already,
        /// while fresh ones would add to the process's.
        mutating func take(_ wanted: Int) -> (UInt, Int)? {
            var best: Int?
            for (capacity, blocks) in free
            where capacity >= wanted && capacity <= 2 * wanted && !blocks.isEmpty {
                best = min(best ?? capacity, capacity)
            }
            guard let best, let block = free[best]?.popLast() else { return nil }
            byteCount -= best
            return (block, best)
        }
    }
    private let state = Mutex(State())

    /// A block of at least `byteCount` bytes and its true size.
    func take(_ byteCount: Int) -> (UnsafeMutableRawPointer, Int) {
        guard byteCount >= Self.minimumByteCount else {
            return (Self.allocate(byteCount, alignment: 64), byteCount)
        }
        let capacity = Self.sizeClass(byteCount)
        let reused: (UInt, Int)? = state.withLock { $0.take(capacity) }
        if let (block, capacity) = reused, let pointer = UnsafeMutableRawPointer(bitPattern: block)
        {
            return (pointer, capacity)
        }
        guard capacity >= Self.hugePageByteCount else {
            return (Self.allocate(capacity, alignment: 4096), capacity)
        }
        let pointer = Self.allocate(capacity, alignment: Self.hugePageByteCount)
        madvise(pointer, capacity, MADV_HUGEPAGE)
        return (pointer, capacity)
    }

    func give(_ pointer: UnsafeMutableRawPointer, _ capacity: Int, isKept: Bool) {
        let kept =
            isKept && capacity >= Self.minimumByteCount
            && state.withLock { state in
                guard state.byteCount + capacity <= Self.limitByteCount else { return false }
                state.free[capacity, default: []].append(UInt(bitPattern: pointer))
                state.byteCount += capacity
                return true
            }
        if !kept { free(pointer) }
    }

    /// Size classes an eighth of a power of two apart: at most 12.5 % is wasted, and a buffer
    /// freed by one operator fits the next one's.
    static func sizeClass(_ byteCount: Int) -> Int {
        let power = Int.bitWidth - 1 - byteCount.leadingZeroBitCount
        let step = max(1 << (power - 3), 4096)
        return (byteCount + step - 1) / step * step
    }

    private static func allocate(_ byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer {
        let rounded = (byteCount + alignment - 1) / alignment * alignment
        guard let pointer = aligned_alloc(alignment, rounded) else {
            fatalError("out of memory: \(byteCount) bytes for a column")
        }
        return pointer
    }
}
