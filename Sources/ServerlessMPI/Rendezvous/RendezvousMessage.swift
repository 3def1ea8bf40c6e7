// What ranks and the rendezvous server say to each other, as values. Pure: RendezvousCoding has
// their bytes, MessageStream frames them, the job table and the control thread give them meaning.

import MessagePassing

/// What a rank says when it joins.
struct JoinRequest: Equatable, Sendable {
    var encryption: EncryptionMode
    var epoch: UInt64
    var size: Int
    /// nil: the server may choose.
    var rank: Int?
    var joinTimeout: Duration
    var requestID: RequestID
    /// Equal for processes that share a host and its network namespace.
    var hostTag: [UInt8]
    var candidates: [Candidate]
    /// Empty, or what the server gave when it first accepted this request.
    var ticket: [UInt8] = []
    /// What the rank tells the observer port, so that both sightings are known to be of one rank;
    /// zeros if it does not.
    var observationID = Self.noObservation

    static let noObservation = [UInt8](repeating: 0, count: Preamble.idByteCount)

    static let hostTagByteCount = 16
    static let ticketByteCount = 32
}

/// The server has taken this process as a rank.
struct Welcome: Equatable, Sendable {
    var rank: Int
    var ticket: [UInt8]
    /// The address the server sees this rank come from.
    var observed: SocketAddress
    /// How often the server wants to hear from the rank.
    var heartbeatInterval: Duration
}

/// One rank of a roster.
struct RosterEntry: Equatable, Sendable {
    var hostTag: [UInt8]
    var observed: SocketAddress
    var candidates: [Candidate]
    var natClass = NATClass.unknown
}

enum ClientMessage: Equatable, Sendable {
    case join(JoinRequest)
    case heartbeat
    /// This rank saw that the job has failed.
    case report(MPIError)
    /// This rank is done and leaves.
    case bye
    /// This rank and that one shall meet at the server.
    case relay(peer: Int)
    /// This rank needs a link to that one, which shall dial too: the first of the pair, or the one
    /// after so many.
    case connect(peer: Int, incarnation: Int = 0)

    /// The link to that rank is relayed: both shall look for a direct path.
    case upgrade(peer: Int)

    /// These ranks have said bye to this one: what a server that has been started again cannot know.
    case departed([Int])

    /// The most ranks one *departed* names.
    static let departedCountMax = 1000

    /// The longest a client message may be, in bytes.
    static let maximumByteCount = 4096
}

enum ServerMessage: Equatable, Sendable {
    case welcome(Welcome)
    /// Everyone is there; indexed by rank.
    case roster([RosterEntry])
    /// This process may not take part; the job goes on without it.
    case refused(MPIError)
    /// The job has failed, and this is why.
    case failed(MPIError)
    /// The answer to *bye*.
    case farewell
    /// A relay to this peer: connect to the server's port again and show the token.
    case relay(peer: Int, RelayToken)
    /// There is no relay to this peer, and this is why.
    case relayRefused(peer: Int, MPIError)
    /// That rank needs a link to this one and is dialling.
    case connect(from: Int, incarnation: Int = 0)
    /// The answer to *connect* if that rank has left the job.
    case departed(peer: Int)
    /// That rank looks for a direct path to this one, which shall, too.
    case upgrade(from: Int)

    /// The longest a server message may be: a roster of the largest job.
    static let maximumByteCount = 4 << 20
}
