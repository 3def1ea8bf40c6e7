// Memory for messages that come before their receive: blocks of powers of two that are kept for
// the next message, so that a program that is always a little late does not allocate.

import Glibc

/// Blocks of 128 bytes to 1 MiB, reused; larger ones come from and go back to malloc.
struct BufferPool {
    private static let smallestShift = 7
    private static let largestShift = 20
    /// Bytes of free blocks that are kept.
    private static let keptByteCountMax = 8 << 20

    /// Heads of the free lists; a free block holds the address of the next.
    private var free: [UnsafeMutableRawPointer?] = Array(
        repeating: nil, count: largestShift - smallestShift + 1)
    private var keptByteCount = 0

    /// A block of at least `byteCount` bytes, aligned for any element type.
    mutating func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
        guard let index = Self.listIndex(byteCount) else {
            return .allocate(byteCount: byteCount, alignment: 64)
        }
        guard let block = free[index] else {
            return .allocate(byteCount: 1 << (index + Self.smallestShift), alignment: 64)
        }
        free[index] = block.load(as: UnsafeMutableRawPointer?.self)
        keptByteCount -= 1 << (index + Self.smallestShift)
        return block
    }

    /// `byteCount` as it was asked for.
    mutating func giveBack(_ block: UnsafeMutableRawPointer, _ byteCount: Int) {
        guard let index = Self.listIndex(byteCount),
            keptByteCount + 1 << (index + Self.smallestShift) <= Self.keptByteCountMax
        else { return block.deallocate() }
        block.storeBytes(of: free[index], as: UnsafeMutableRawPointer?.self)
        free[index] = block
        keptByteCount += 1 << (index + Self.smallestShift)
    }

    mutating func destroy() {
        for index in free.indices {
            while let block = free[index] {
                free[index] = block.load(as: UnsafeMutableRawPointer?.self)
                block.deallocate()
            }
        }
        keptByteCount = 0
    }

    private static func listIndex(_ byteCount: Int) -> Int? {
        let shift = max(
            smallestShift, Int.bitWidth - (max(byteCount, 1) - 1).leadingZeroBitCount)
        return shift <= largestShift ? shift - smallestShift : nil
    }
}
