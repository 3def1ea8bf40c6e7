// A finished connection to one peer, as connectMesh hands it to the progress engine: who, by
// which descriptor, through which TLS session, and by which path it came about.

import Glibc

/// The kind of address a connection was made through (RFC 8445 §5.1.1).
public enum CandidateKind: UInt8, Sendable, CustomStringConvertible {
    /// An address of the peer's own interfaces.
    case host = 1
    /// The address the rendezvous server saw the peer come from.
    case serverReflexive = 2
    /// An address at which a relay forwards to the peer; on both ends.
    case relayed = 3

    public var description: String {
        switch self {
        case .host: "host"
        case .serverReflexive: "server-reflexive"
        case .relayed: "relayed"
        }
    }
}

/// How the connection to one peer came about: what a user sees when asking "how am I connected?".
public struct LinkPath: Sendable, Equatable {
    /// The kind of the peer's address that worked; for an accepted connection the kind the peer's
    /// address has in the roster. `relayed` on both ends, whoever's the relay is.
    public var candidate: CandidateKind
    /// `address:port` at this end and at the other.
    public var localAddress: String
    public var remoteAddress: String
    /// The peer shares this host and network namespace, so the link never crosses a wire.
    public var isSameHost: Bool
    /// Did this end's `connect` make it (simultaneous open included), or was it accepted?
    public var isDialled: Bool
    /// The kernel's smoothed round-trip time at hand-over.
    public var roundTripTime: Duration
    /// Until the link was authenticated and agreed on: from the roster, or, for a link made later,
    /// from the moment at which this rank needed it or heard of the peer's need.
    public var connectTime: Duration
}

/// One authenticated connection, handed over and from now on owned by the receiver: the control
/// thread has forgotten the descriptor. The receiver frees `tls` (if any) before it closes
/// `fileDescriptor`.
struct EstablishedLink {
    let peer: Int
    /// Nonblocking, close-on-exec, TCP_NODELAY, congestion control cubic where allowed.
    let fileDescriptor: Int32
    /// nil in encryption mode `none`, unless the link is relayed: then read and write the
    /// descriptor itself.
    let tls: TLSSession?
    let path: LinkPath
    /// How many connections of this pair of ranks came before it.
    var incarnation = 0
    /// If it breaks while both ranks live, another one takes over.
    var isResumable = false

    /// Closes links that nobody has taken over.
    static func close(_ links: [EstablishedLink?]) {
        for case let link? in links { Glibc.close(link.fileDescriptor) }
    }
}
