// Which of a peer's announced addresses are worth dialling from here: the roster and this rank's
// own addresses go in, a deduplicated list comes out. Pure.

/// What to dial for one peer.
struct PeerPlan: Equatable, Sendable {
    var candidates: [Candidate]
    /// The peer shares this host and network namespace.
    var isSameHost: Bool
    /// The NATs before the two ranks leave direct connections no chance.
    var isDirectHopeless = false
}

extension PeerPlan {
    var hasDirectCandidates: Bool { candidates.contains { $0.kind != .relayed } }

    /// By which kind of address the peer is at the other end of a direct connection. A NAT may
    /// show it at a port that nobody has announced, and may share its address with a TURN server.
    func kind(of remote: SocketAddress) -> CandidateKind {
        let direct = candidates.filter { $0.kind != .relayed }
        let known = direct.first { $0.address == remote }
        return (known ?? direct.first { $0.address.ip == remote.ip })?.kind ?? .host
    }

    /// The plans for every rank of a roster, nil at `rank`.
    ///
    /// - Parameter port: the local port that every connection of this rank leaves from.
    static func plans(
        roster: [RosterEntry], rank: Int, port: UInt16, policy: CandidatePolicy = .all
    ) -> [PeerPlan?] {
        let own = roster[rank]
        // A connection to one of these would meet this very process, or nobody (RFC 9293 allows a
        // socket to connect to itself).
        let ownAddresses = Set(
            own.candidates.map(\.address) + [own.observed]
                + own.candidates.map { SocketAddress(ip: $0.address.ip, port: port) })
        return roster.enumerated().map { index, entry in
            guard index != rank else { return nil }
            var plan = PeerPlan(entry, seenFrom: own, excluding: ownAddresses)
            switch policy {
            case .all: break
            case .relayed, .turn: plan.candidates.removeAll { $0.kind != .relayed }
            }
            return plan
        }
    }

    private init(
        _ entry: RosterEntry, seenFrom own: RosterEntry, excluding ownAddresses: Set<SocketAddress>
    ) {
        // Copies of one machine image may share the tag's ingredients: they differ in address.
        isSameHost = entry.hostTag == own.hostTag && entry.observed.ip == own.observed.ip
        // Behind one NAT, or none, their own addresses may do; and so may IPv6, which is not
        // translated, if both have it.
        isDirectHopeless =
            entry.observed.ip != own.observed.ip && !(entry.hasIPv6 && own.hasIPv6)
            && NATClass.isDirectHopeless(own.natClass, entry.natClass)
        var seen = ownAddresses
        candidates = []
        let reflexive = Candidate(kind: .serverReflexive, address: entry.observed)
        for candidate in entry.candidates + [reflexive] {
            let ip = candidate.address.ip
            guard candidate.address.port != 0, ip.isUsable || ip.isLoopback,
                isSameHost || !ip.isLoopback,
                // Equal destinations are equal four-tuples: everything leaves from one port.
                seen.insert(candidate.address).inserted
            else { continue }
            candidates.append(candidate)
        }
    }
}

extension RosterEntry {
    /// Does an interface of the rank have an IPv6 address that others might reach?
    fileprivate var hasIPv6: Bool {
        candidates.contains { candidate in
            let ip = candidate.address.ip
            return candidate.kind == .host && !ip.isV4 && ip.isUsable && !ip.isLoopback
        }
    }
}
