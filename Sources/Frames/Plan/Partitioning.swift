// What is known about where a frame's rows are. Operators that need equal keys on one rank ask here
// first, so that a join and a groupby on one key shuffle once.

/// How the rows of a frame are spread over the ranks of its communicator.
public enum Partitioning: Sendable, Hashable {
    /// Each row is on one rank; nothing more is known.
    case unknown
    /// Rows that are equal in all these columns are on one rank, which the common hash chose.
    case hash([String])
    /// Rows that are equal in this integer column are on one rank, which got its block of keys.
    case blocks(String, KeyBlocks)
    /// Rows that are equal in all these columns are on one rank, which the number of these values
    /// chose: by its block, or by its hash where there are no blocks.
    case numbers([String], KeyNumbering, KeyBlocks?)
    /// Sorted by these keys within each rank and from rank to rank; rows with equal keys may
    /// straddle the border of two ranks.
    case range([SortKey])
    /// Every rank holds all rows.
    case replicated

    /// What remains of it when columns are renamed or dropped: `newName` is nil for a dropped one.
    func renamed(_ newName: (String) -> String?) -> Partitioning {
        switch self {
        case .unknown, .replicated: return self
        case .hash(let names):
            let renamed = names.compactMap(newName)
            return renamed.count == names.count ? .hash(renamed) : .unknown
        case .blocks(let name, let blocks):
            return newName(name).map { .blocks($0, blocks) } ?? .unknown
        case .numbers(let names, let numbering, let blocks):
            let renamed = names.compactMap(newName)
            return renamed.count == names.count
                ? .numbers(renamed, numbering, blocks) : .unknown
        case .range(let keys):
            // A prefix of the keys is still an order.
            var kept: [SortKey] = []
            for key in keys {
                guard let name = newName(key.column) else { break }
                kept.append(SortKey(name, descending: key.descending, nulls: key.nulls))
            }
            return kept.isEmpty ? .unknown : .range(kept)
        }
    }

    /// Are rows with equal `keys` known to be on one rank?
    func colocates(_ keys: [String]) -> Bool {
        switch self {
        case .hash(let names), .numbers(let names, _, _):
            !names.isEmpty && names.allSatisfy(keys.contains)
        case .blocks(let name, _): keys.contains(name)
        case .replicated: true
        case .unknown, .range: false
        }
    }

    /// Where rows with given `keys` are, if these alone say so.
    func placement(in keys: [String]) -> Placement? {
        switch self {
        case .hash(let names):
            return Self.positions(names, in: keys).map { .hash($0) }
        case .numbers(let names, let numbering, let blocks):
            return Self.positions(names, in: keys).map { .numbers($0, numbering, blocks) }
        case .blocks(let name, let blocks):
            return keys.firstIndex(of: name).map { .blocks($0, blocks) }
        case .unknown, .range, .replicated:
            return nil
        }
    }

    /// Nil unless all names are among the keys.
    private static func positions(_ names: [String], in keys: [String]) -> [Int]? {
        let positions = names.compactMap(keys.firstIndex(of:))
        return positions.isEmpty || positions.count < names.count ? nil : positions
    }
}
