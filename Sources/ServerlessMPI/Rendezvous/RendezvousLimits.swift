// What a rendezvous server may be made to hold and how long it waits. Every resource that a
// stranger or a job can ask for has a bound here.

/// The bounds of one rendezvous server.
public struct RendezvousLimits: Sendable {
    /// Jobs at once.
    public var jobs = 1000
    /// Jobs that are over and whose outcome is remembered, to tell latecomers.
    public var rememberedJobs = 10_000
    /// Ranks of one job.
    public var ranksPerJob = JoinURL.maximumSize
    /// Connections that have not yet joined a job; the oldest makes room for a new one.
    public var connectionsNotJoined = 4096
    /// The same from one address (IPv6: from one /64 prefix); a further one is closed at once. A NAT
    /// gateway's functions share an address: a job of so many ranks may come from it together.
    public var connectionsNotJoinedPerAddress = 2048
    /// From the connection until the join request.
    public var handshakeTimeout = Duration.seconds(5)
    /// The longest a job may wait for its ranks.
    public var joinTimeout = Duration.seconds(3600)
    /// How often a rank says that it is alive.
    public var heartbeatInterval = Duration.milliseconds(500)
    /// A rank not heard from for so long is lost. A rank that a black-out has cut off for three seconds
    /// is heard again before: it notices after one and a half, and calls until it gets through.
    public var silenceTimeout = Duration.seconds(5)
    /// A rank of a running job whose connection has ended may come back within this time; then it
    /// is lost.
    public var returnTimeout = Duration.seconds(2)
    /// Bytes queued for one rank that does not read them.
    public var outputByteCount = 8 << 20

    /// Connections to the observer port at once; the oldest makes room for a new one.
    public var observerConnections = 256
    /// From such a connection until its 24 bytes.
    public var observerTimeout = Duration.seconds(2)
    /// Sightings kept until the rank they belong to joins.
    public var unclaimedObservations = 4096
    /// Pairs of ranks of one job that meet at this server, or have been told that they may. Each
    /// holds two descriptors and at most twice `relayBufferByteCount` bytes.
    public var relayedPairsPerJob = 1024
    /// The same for all jobs together.
    public var relayedPairs = 8192
    /// From the offer of a relay until both ranks must have come.
    public var relayTokenLifetime = Duration.seconds(10)
    /// Bytes of one direction of a pair that one end has sent and the other has no room for.
    public var relayBufferByteCount = 64 << 10

    public init() {}
}
