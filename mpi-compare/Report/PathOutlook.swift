// Which path two ranks will find, from the kinds of NAT before them (RFC 5128 §3, and what nat-grid
// measures): the table of `mpi-compare probe`. Pure.
import ServerlessMPI

/// Where another rank may be.
public enum PeerPlace: String, Sendable, CaseIterable {
    case open = "a public address, open to all"
    case firewall = "a public address and a stateful firewall"
    case cone = "a cone NAT"
    case symmetric = "a symmetric NAT"
    case sameNetwork = "the same NAT, in the same private network"
    case sameNAT = "the same NAT, in another private network"
}

/// How a rank there will be reached from here.
public enum PathOutlook: Sendable, Equatable {
    case direct
    case relayed
    /// For want of knowledge: on what, in words.
    case depends(String)

    public var words: String {
        switch self {
        case .direct: "direct"
        case .relayed: "relay"
        case .depends(let words): words
        }
    }

    /// For programs.
    public var name: String {
        switch self {
        case .direct: "direct"
        case .relayed: "relay"
        case .depends: "depends"
        }
    }

    /// - Parameters:
    ///   - natClass: of this end.
    ///   - hairpins: does the NAT of this end lead back inside?
    /// - Returns: nil if nobody can be there, as behind the NAT of a rank that has none.
    public static func toPeer(
        at place: PeerPlace, from natClass: NATClass, hairpins: Bool?
    ) -> PathOutlook? {
        switch (natClass, place) {
        case (.open, .sameNetwork), (.open, .sameNAT): nil
        case (_, .open), (_, .sameNetwork): .direct
        // The port of the one is known to nobody, and the door of the other opens for no stranger.
        case (.symmetric, .firewall), (.symmetric, .cone), (.symmetric, .symmetric): .relayed
        case (.cone, .symmetric), (.unknown, .symmetric): .relayed
        case (.open, .symmetric): .depends("direct, or relay if a firewall guards this machine")
        case (.open, .firewall), (.open, .cone), (.cone, .firewall), (.cone, .cone): .direct
        case (.unknown, .firewall), (.unknown, .cone):
            .depends("direct, or relay if the NAT here is symmetric")
        case (_, .sameNAT):
            switch hairpins {
            case true?: .direct
            case false?: .relayed
            case nil: .depends("relay, or direct if the NAT hairpins")
            }
        }
    }
}
