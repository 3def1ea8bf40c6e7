// What a completed receive or a probe tells (MPI 4.1 §3.2.5).

/// Who sent the message, under which tag, and how long it is.
public struct Status: Hashable, Sendable, BitwiseCopyable {
    /// The sender's rank; nil for a receive from `.none` and for sends.
    public var source: Int?
    public var tag: Tag
    /// Length of the message in bytes.
    public var byteCount: Int

    @inlinable
    public init(source: Int?, tag: Tag, byteCount: Int) {
        self.source = source
        self.tag = tag
        self.byteCount = byteCount
    }

    /// The status of an operation with `.none`, and of a send.
    public static let empty = Status(source: nil, tag: .any, byteCount: 0)

    /// The message's length in elements of `type` (MPI_Get_count); nil if it is no whole number.
    @inlinable
    public func count<Element: BitwiseCopyable>(of type: Element.Type) -> Int? {
        let (quotient, remainder) = byteCount.quotientAndRemainder(
            dividingBy: MemoryLayout<Element>.stride)
        return remainder == 0 ? quotient : nil
    }
}
