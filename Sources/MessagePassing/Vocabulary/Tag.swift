// Tags: the label that a receive can select messages by (MPI 4.1 §3.2.3).

/// A message label, 0 … `Tag.upperBound`. Name yours once and use them on both sides:
///
///     extension Tag { static let rows: Tag = 7 }
///     try world.send(rows.span, to: 1, tag: .rows)
public struct Tag: RawRepresentable, Hashable, Sendable, BitwiseCopyable,
    ExpressibleByIntegerLiteral, CustomStringConvertible
{
    public var rawValue: Int32

    @inlinable public init(rawValue: Int32) { self.rawValue = rawValue }
    @inlinable public init(integerLiteral value: Int32) { self.rawValue = value }
    @inlinable public init(_ value: Int) { self.rawValue = Int32(clamping: value) }

    /// Receives only: any tag (MPI_ANY_TAG).
    public static let any = Tag(rawValue: -1)
    public static let zero = Tag(rawValue: 0)
    /// The largest tag every transport carries (Open MPI's MPI_TAG_UB).
    public static let upperBound = Tag(rawValue: Int32.max)

    public var description: String { self == .any ? "any" : String(rawValue) }
}
