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
        public static let turnURL = "SERVERLESS_MPI_TURN_URL"
        public static let turnUsername = "SERVERLESS_MPI_TURN_USERNAME"
        public static let turnPassword = "SERVERLESS_MPI_TURN_PASSWORD"
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
        let url = try JoinURL(parsing: text)
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
