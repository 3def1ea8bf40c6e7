// How a rank is attached to the network: its own addresses, the one the rendezvous server sees, and
// what that says about the NAT in between. A program can ask, and `mpi-compare probe` explains it.

/// How a rank is attached to the network, as it looked when it joined.
public struct NetworkAttachment: Sendable, Equatable {
    /// What came of asking a TURN server for a relayed address.
    public enum TURNAllocation: Sendable, Equatable {
        /// `address:port` at the TURN server.
        case address(String)
        /// Why there is none.
        case failed(String)
    }

    /// How far an address is known.
    public enum Scope: Sendable {
        /// On this machine only.
        case loopback
        /// In a network of its own: RFC 1918, RFC 6598 (carriers' NATs), RFC 4193.
        case local
        case global
    }

    /// `address:port` of the rendezvous server, as this rank reaches it.
    public var serverAddress: String
    /// `address:port` of this end of the connection to it.
    public var localAddress: String
    /// `address:port` from which the server sees this rank.
    public var observedAddress: String
    /// Where that is an address. Unless it is global, what lies beyond the server's own network
    /// has not been seen.
    public var observedScope: Scope
    /// What the server makes of that and of what its observer port has seen.
    public var natClass: NATClass
    /// The addresses of this machine's interfaces, loopback left out.
    public var hostAddresses: [String]
    /// Is one of them an IPv6 address that is meant for the whole internet (RFC 4291 §2.5.4)?
    public var hasGlobalIPv6: Bool
    /// To the rendezvous server and back: the kernel's smoothed figure.
    public var roundTripTime: Duration
    /// nil where no TURN server is configured.
    public var turn: TURNAllocation?

    public init(
        serverAddress: String, localAddress: String, observedAddress: String,
        observedScope: Scope = .global, natClass: NATClass, hostAddresses: [String],
        hasGlobalIPv6: Bool, roundTripTime: Duration, turn: TURNAllocation? = nil
    ) {
        self.serverAddress = serverAddress
        self.localAddress = localAddress
        self.observedAddress = observedAddress
        self.observedScope = observedScope
        self.natClass = natClass
        self.hostAddresses = hostAddresses
        self.hasGlobalIPv6 = hasGlobalIPv6
        self.roundTripTime = roundTripTime
        self.turn = turn
    }

    init(
        serverAddress: SocketAddress?, localAddress: SocketAddress?, observed: SocketAddress,
        natClass: NATClass, hostAddresses: [IPAddress], roundTripTime: Duration,
        turn: TURNAllocation?
    ) {
        self.init(
            serverAddress: serverAddress?.description ?? "",
            localAddress: localAddress?.description ?? "",
            observedAddress: observed.description, observedScope: observed.ip.scope,
            natClass: natClass,
            hostAddresses: hostAddresses.filter { !$0.isLoopback }.map(\.description),
            hasGlobalIPv6: hostAddresses.contains(where: \.isGlobalIPv6),
            roundTripTime: roundTripTime, turn: turn)
    }
}

extension IPAddress {
    /// 2000::/3, the only global unicast there is yet.
    var isGlobalIPv6: Bool {
        if case .v6(let high, _) = self { high >> 61 == 1 } else { false }
    }

    var scope: NetworkAttachment.Scope {
        switch self {
        case _ where isLoopback: .loopback
        case .v4(let address):
            switch address {
            case _ where address >> 24 == 10, _ where address >> 20 == 0xac1,
                _ where address >> 16 == 0xc0a8, _ where address >> 22 == 0x6440 >> 6:
                .local
            default: .global
            }
        case .v6: isGlobalIPv6 ? .global : .local
        }
    }
}
