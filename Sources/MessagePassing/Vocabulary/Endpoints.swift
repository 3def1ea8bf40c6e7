// Where a message goes to and where a receive takes it from.

/// The destination of a send: a rank, or `.none` (MPI_PROC_NULL), to which sends complete at once.
public struct Destination: Hashable, Sendable, BitwiseCopyable, ExpressibleByIntegerLiteral,
    CustomStringConvertible
{
    /// The rank; -2 for `.none`.
    public let rawValue: Int
    @inlinable public init(rank: Int) { rawValue = rank }
    @inlinable public init(integerLiteral value: Int) { rawValue = value }
    @usableFromInline init(special: Int) { rawValue = special }

    /// MPI_PROC_NULL: the neighbour beyond the edge; nothing is sent.
    public static let none = Destination(special: -2)
    @inlinable public static func rank(_ rank: Int) -> Destination { Destination(rank: rank) }

    public var description: String { self == .none ? "none" : String(rawValue) }
}

/// The source of a receive: a rank, `.any` (MPI_ANY_SOURCE) or `.none` (MPI_PROC_NULL).
public struct Source: Hashable, Sendable, BitwiseCopyable, ExpressibleByIntegerLiteral,
    CustomStringConvertible
{
    /// The rank; -1 for `.any`, -2 for `.none`.
    public let rawValue: Int
    @inlinable public init(rank: Int) { rawValue = rank }
    @inlinable public init(integerLiteral value: Int) { rawValue = value }
    @usableFromInline init(special: Int) { rawValue = special }

    /// MPI_ANY_SOURCE: whoever sent first; `Status.source` tells who.
    public static let any = Source(special: -1)
    /// MPI_PROC_NULL: receives nothing, at once.
    public static let none = Source(special: -2)
    @inlinable public static func rank(_ rank: Int) -> Source { Source(rank: rank) }

    public var description: String {
        switch self {
        case .any: "any"
        case .none: "none"
        default: String(rawValue)
        }
    }
}
