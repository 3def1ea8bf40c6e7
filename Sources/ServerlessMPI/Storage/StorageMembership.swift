// One rank's time in a job that talks through a store.

import Glibc
import MessagePassing

struct StorageMembership {
    let world: StorageCommunicator
    private let lease: LeaseKeeper?

    /// How long a rank of a failed job tries to say that it goes.
    private static let failedLeaveTimeout = Duration.seconds(2)

    /// The rank of this process and its request id come from the same variables as in a job with
    /// direct connections; there are no keys, as access to the store is the proof of membership.
    init(_ text: String, _ lookup: (String) -> String?) throws(MPIError) {
        let url = try StorageURL(parsing: text)
        func value(_ name: String) -> String? {
            guard let text = lookup(name), !text.isEmpty else { return nil }
            return text
        }
        var rank: Int?
        if let text = value(JoinConfiguration.Variable.rank) {
            guard let number = Int(text), (0..<url.size).contains(number) else {
                throw .invalidArgument(
                    "join",
                    "\(JoinConfiguration.Variable.rank) must be a whole number from 0 to "
                        + "\(url.size - 1)")
            }
            rank = number
        }
        let requestID =
            value(JoinConfiguration.Variable.requestID).map { RequestID(naming: $0) } ?? .random()
        let store: any MessageStore
        switch url.place {
        case .redis: store = try RedisStore(url, .claim(rank: rank, requestID))
        case .s3: store = try S3Store(url, .claim(rank: rank, requestID))
        }
        let engine = StorageEngine(store: store, timeout: url.timeout)
        lease =
            if let lease = url.leaseOfRanks { try LeaseKeeper(lease, of: engine) } else { nil }
        world = StorageCommunicator(
            engine: engine,
            space: engine.openSpace(
                contextID: worldContextID, rank: store.rank, group: Array(0..<url.size)))
    }

    /// Leaves in order, once the store has what was sent.
    func end() throws(MPIError) {
        try world.engine.checkAlive()
        world.engine.pool?.stop()
        try world.engine.checkAlive()
        lease?.stop()
        try world.engine.store.leave(deadline: .now + world.engine.timeout)
    }

    /// Fails the job with what the program threw, unless it has failed already; what happened, in
    /// words.
    func fail(_ error: any Error) -> String {
        let own =
            error as? MPIError
            ?? MPIError(
                .programFailed, operation: "program",
                reason: "rank \(world.rank) threw: \(error)", peer: world.rank)
        let first = world.engine.fail(own)
        lease?.stop()
        try? world.engine.store.leave(deadline: .now + Self.failedLeaveTimeout)
        guard first == own && world.engine.foundCause else {
            return "stopped, as the job failed: \(first)"
        }
        return "\(error)"
    }
}
