// Everything a rank needs in order to join, read from the environment: the join URL, which holds
// no secret, and the two keys, which never appear on a command line, in a log or in an error.

import Glibc
import MessagePassing

/// What a rank needs to join: the join URL, the two secrets, its number if it has one.
public struct JoinConfiguration: Sendable {
    public var url: JoinURL
    /// This process's rank, or nil to be given one by the server.
    public var rank: Int?
    /// Proves to the server that this process belongs to the job.
    public var serverKey: Secret
    /// Proves to other ranks that this process belongs to the job; never sent to the server.
    public var peerSecret: Secret
    /// Distinguishes two processes that claim one rank (a retried function from its original).
    public var requestID: RequestID
    /// Where the stores of `url.channels` are.
    public var stores: [Channel: StorageURL.Place] = [:]
    /// A file of measured costs, from which channels are chosen; rank 0's counts.
    public var costModel: String?
    /// A TURN server that gives this rank a relayed address, if there is one.
    var turn: TURNConfiguration?
    /// What tells neighbours from strangers; tests make one machine look like several.
    var hostTag = HostIdentity.tag()
    /// A probe hides them to find out whether its NAT leads back inside.
    var announcesHostAddresses = true
    /// A probe is there to learn its NAT class, so it joins only when the observer has seen it.
    var awaitsObservation = false

    public init(
        url: JoinURL, rank: Int? = nil, serverKey: Secret, peerSecret: Secret,
        requestID: RequestID = .random()
    ) {
        self.url = url
        self.rank = rank
        self.serverKey = serverKey
        self.peerSecret = peerSecret
        self.requestID = requestID
    }

    /// The names of the environment variables; docs/OPERATING.md describes them.
    public enum Variable {
        public static let url = "SERVERLESS_MPI_URL"
        public static let rank = "SERVERLESS_MPI_RANK"
        public static let serverKey = "SERVERLESS_MPI_SERVER_KEY"
        public static let peerSecret = "SERVERLESS_MPI_PEER_SECRET"
        public static let requestID = "SERVERLESS_MPI_REQUEST_ID"
        /// As `channels` of the join URL, where that has none.
        public static let channels = "SERVERLESS_MPI_CHANNELS"
        public static let redis = "SERVERLESS_MPI_REDIS"
        public static let s3 = "SERVERLESS_MPI_S3"
        public static let costModel = "SERVERLESS_MPI_COST_MODEL"
        public static let turnURL = "SERVERLESS_MPI_TURN_URL"
        public static let turnUsername = "SERVERLESS_MPI_TURN_USERNAME"
        public static let turnPassword = "SERVERLESS_MPI_TURN_PASSWORD"

        /// The variable that says where a channel's store is.
        static func place(of channel: Channel) -> String { channel == .redis ? redis : s3 }
    }

    /// Reads the process's environment; nil where no join URL is set: a world of size 1.
    ///
    /// Errors: `invalidArgument`, one line that names the variable and what it must be.
    public static func fromEnvironment() throws(MPIError) -> JoinConfiguration? {
        try from { name in getenv(name).map { String(cString: $0) } }
    }

    /// The same, from any lookup of these names: the event of a Lambda function has them too.
    public static func from(_ lookup: (String) -> String?) throws(MPIError) -> JoinConfiguration? {
        func value(_ name: String) -> String? {
            guard let text = lookup(name), !text.isEmpty else { return nil }
            return text
        }
        guard let text = value(Variable.url) else { return nil }
        var url = try JoinURL(parsing: text)
        if url.channels == nil, let plan = value(Variable.channels) {
            url.channels = try ChannelPlan(parsing: plan)
        }
        var rank: Int?
        if let text = value(Variable.rank) {
            guard let number = Int(text), (0..<url.size).contains(number) else {
                throw .invalidArgument(
                    "join", "\(Variable.rank) must be a whole number from 0 to \(url.size - 1)")
            }
            rank = number
        }
        var configuration = JoinConfiguration(
            url: url, rank: rank,
            serverKey: try secret(Variable.serverKey, value),
            peerSecret: try secret(Variable.peerSecret, value),
            requestID: value(Variable.requestID).map { RequestID(naming: $0) } ?? .random())
        for channel in url.channels?.stores ?? [] {
            guard let text = value(Variable.place(of: channel)) else { continue }
            let place = try StorageURL.place(parsing: text)
            guard place.channel == channel else {
                throw .invalidArgument(
                    "join", "\(Variable.place(of: channel)) leads to another kind of store")
            }
            configuration.stores[channel] = place
        }
        configuration.costModel = value(Variable.costModel)
        configuration.turn = try TURNConfiguration.from(value)
        return configuration
    }

    private static func secret(
        _ name: String, _ value: (String) -> String?
    ) throws(MPIError) -> Secret {
        guard let text = value(name), let secret = Secret(hex: text) else {
            throw .invalidArgument(
                "join", "\(name) must be 64 hexadecimal digits; `rendezvous token` prints them")
        }
        return secret
    }
}
