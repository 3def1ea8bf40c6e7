// The cells of `nat-grid` and what each must show. Expectations are data, so that the command can
// say of every cell whether it is as it should be.

/// Each kind has two hosts, so that it can meet itself.
public enum GridSide: String, Sendable, CaseIterable {
    case left = "a"
    case right = "b"
}

/// Which way two ranks must find to each other.
public enum PathExpectation: String, Sendable {
    /// There is a direct path, and it must be found.
    case direct
    /// No packet of one reaches the other: only a relay helps.
    case relayed
    /// A matter of luck: both are right.
    case either

    /// - Parameter paths: of all links that were made.
    public func isMet(by paths: some Sequence<String>) -> Bool {
        switch self {
        case .direct: paths.allSatisfy { $0 != "relayed" }
        case .relayed: paths.allSatisfy { $0 == "relayed" }
        case .either: true
        }
    }
}

/// Two places in the internet of `Topologies.grid`, between which a link is made.
public struct GridCell: Sendable, Equatable {
    public var left: String
    public var right: String
    public var expectation: PathExpectation

    public var leftHost: String { GridCell.host(left, .left) }
    public var rightHost: String { GridCell.host(right, .right) }

    static func host(_ place: String, _ side: GridSide) -> String { "\(place)-\(side.rawValue)" }

    /// Every place that a grid can have.
    public static let places = NATKind.allCases.map(\.rawValue) + special.map(\.left)

    /// Every kind against every other and itself, and the special pairs.
    ///
    /// - Parameter places: some of `places`; others are ignored.
    public static func all(_ places: [String], lines: LineConditions) -> [GridCell] {
        let kinds = places.compactMap { NATKind(rawValue: $0) }
        var cells: [GridCell] = []
        for (index, left) in kinds.enumerated() {
            for right in kinds[index...] {
                cells.append(
                    GridCell(
                        left: left.rawValue, right: right.rawValue,
                        expectation: expectation(left, right, lines)))
            }
        }
        return cells + special.filter { places.contains($0.left) }
    }

    /// Pairs that share something.
    public static let special = [
        // Their router does not hairpin, but they see each other's host addresses.
        GridCell(left: "same-nat", right: "same-nat", expectation: .direct),
        // Neither the carrier's nor the homes' routers hairpin.
        GridCell(left: "same-cgn", right: "same-cgn", expectation: .relayed),
        GridCell(left: "overlap", right: "overlap", expectation: .direct),
    ]

    /// What RFC 5128 and our own measurements say of two kinds.
    static func expectation(
        _ left: NATKind, _ right: NATKind, _ lines: LineConditions
    ) -> PathExpectation {
        if left == .open || right == .open { return .direct }
        // Nothing translates IPv6, so the firewalls' holes are where the addresses say.
        if left == .dualStack && right == .dualStack { return .direct }
        // The peer's SYN comes from a port that nobody could foretell.
        let kinds = [left, right].compactMap(\.behaviour)
        if kinds.contains(where: { $0.mapping == .perConnection }) { return .relayed }
        // A SYN that comes too early is answered by RST, which closes the hole it should use. Below
        // a millisecond the retries of both sides miss each other again and again.
        let resets = kinds.contains { $0.unsolicited == .reset }
        return resets && lines.delay < .milliseconds(1) ? .either : .direct
    }
}

extension PathExpectation {
    public var words: String {
        switch self {
        case .direct: "a direct path, every time"
        case .relayed: "a relayed path, every time"
        case .either: "a path, every time"
        }
    }
}
