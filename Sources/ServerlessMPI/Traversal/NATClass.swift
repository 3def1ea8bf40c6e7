// What kind of NAT a rank sits behind, as far as two observations can tell (RFC 5780's idea with
// TCP): a hint that orders attempts, never a verdict. Pure.

/// What the rendezvous server can tell of the NAT before a rank.
public enum NATClass: UInt8, Sendable, CaseIterable, CustomStringConvertible {
    /// The server has seen the rank only once.
    case unknown = 0
    /// The server sees one of the rank's own addresses: no NAT, though perhaps a firewall.
    case open = 1
    /// Both observers see one mapping: it is most likely good for peers, too.
    case cone = 2
    /// Each observer sees another mapping: nobody can know the one for a peer.
    case symmetric = 3

    /// - Parameters:
    ///   - observed: where the rendezvous connection comes from.
    ///   - second: where the connection to the observer port comes from, if it has been seen.
    init(observed: SocketAddress, second: SocketAddress?, candidates: [Candidate]) {
        // Only one of the loopback addresses is announced, but no NAT lies before any.
        if observed.ip.isLoopback
            || candidates.contains(where: { $0.kind == .host && $0.address == observed })
        {
            self = .open
        } else if let second {
            self = second == observed ? .cone : .symmetric
        } else {
            self = .unknown
        }
    }

    public var description: String {
        switch self {
        case .unknown: "unknown"
        case .open: "open"
        case .cone: "cone"
        case .symmetric: "symmetric"
        }
    }

    /// A mapping that nobody can know meets a door that opens only to what is known.
    static func isDirectHopeless(_ one: NATClass, _ other: NATClass) -> Bool {
        switch (one, other) {
        case (.symmetric, .symmetric), (.symmetric, .cone), (.cone, .symmetric): true
        default: false
        }
    }
}
