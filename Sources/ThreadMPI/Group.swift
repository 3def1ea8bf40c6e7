// A communicator's shared half: its ranks, their mailboxes, its failure. Each rank has a
// `ThreadCommunicator` that views it.

import MessagePassing
import Synchronization

/// What all ranks of one communicator share.
final class Group: Sendable {
    let contextID: UInt64
    /// By rank in this communicator.
    let endpoints: [Endpoint]
    let mailboxes: [Mailbox]
    let failure: Failure

    init(contextID: UInt64, endpoints: [Endpoint], failure: Failure) {
        self.contextID = contextID
        self.endpoints = endpoints
        self.failure = failure
        mailboxes = endpoints.map(Mailbox.init(owner:))
    }
}

/// What all ranks share: the endpoints, the world's communicator, and those being made.
final class World: Sendable {
    let endpoints: [Endpoint]
    let group: Group
    let patience: Patience
    let onSend: (@Sendable (ThreadMPI.SentMessage) -> Void)?
    private let unclaimed = Mutex<[UInt64: (group: Group, claims: Int)]>([:])

    init(
        size: Int, timeout: Duration?, onSend: (@Sendable (ThreadMPI.SentMessage) -> Void)? = nil
    ) {
        let patience = Patience(ranks: size, timeout: timeout)
        let endpoints = (0..<size).map { Endpoint(worldRank: $0, patience: patience) }
        self.patience = patience
        self.endpoints = endpoints
        self.onSend = onSend
        group = Group(
            contextID: worldContextID, endpoints: endpoints,
            failure: Failure(endpoints: endpoints, world: nil))
    }

    /// The group of a new communicator. Its first member makes it, its last one takes it away:
    /// every member asks exactly once.
    func group(contextID: UInt64, endpoints: [Endpoint]) -> Group {
        unclaimed.withLock { unclaimed in
            var entry =
                unclaimed[contextID]
                ?? (
                    Group(
                        contextID: contextID, endpoints: endpoints,
                        failure: Failure(endpoints: endpoints, world: group.failure)),
                    endpoints.count
                )
            entry.claims -= 1
            unclaimed[contextID] = entry.claims == 0 ? nil : entry
            return entry.group
        }
    }

    /// A rank's program has returned: those who wait for it are told.
    func leave(rank: Int) {
        endpoints[rank].hasLeft.store(true, ordering: .sequentiallyConsistent)
        for endpoint in endpoints { endpoint.notify() }
    }
}
