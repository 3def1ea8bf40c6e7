// A communicator's shared half: its ranks, their mailboxes, its failure. Each rank has a
// `ThreadCommunicator` that views it.

import MessagePassing
import Synchronization

/// What all ranks of one communicator share.
final class Group: @unchecked Sendable {
    let contextID: UInt64
    let size: Int
    /// By rank in this communicator.
    let endpoints: [EndpointPointer]
    /// By rank in this communicator.
    let mailboxes: MailboxPointer
    let failure: Failure
    private let world: Endpoints

    init(contextID: UInt64, endpoints: [EndpointPointer], of world: Endpoints, failure: Failure) {
        self.contextID = contextID
        self.endpoints = endpoints
        self.failure = failure
        self.world = world
        size = endpoints.count
        mailboxes = .allocate(capacity: size)
        for (rank, endpoint) in endpoints.enumerated() {
            (mailboxes + rank).initialize(to: Mailbox(owner: endpoint))
        }
    }

    deinit {
        mailboxes.deinitialize(count: size)
        mailboxes.deallocate()
    }
}

/// What all ranks share: the endpoints, the world's communicator, and those being made.
final class World: Sendable {
    let endpoints: Endpoints
    let group: Group
    let patience: Patience
    let onSend: (@Sendable (ThreadMPI.SentMessage) -> Void)?
    private let unclaimed = Mutex<[UInt64: (group: Group, claims: Int)]>([:])

    init(
        size: Int, timeout: Duration?, onSend: (@Sendable (ThreadMPI.SentMessage) -> Void)? = nil
    ) {
        let patience = Patience(ranks: size, timeout: timeout)
        let endpoints = Endpoints(count: size, patience: patience)
        self.patience = patience
        self.endpoints = endpoints
        self.onSend = onSend
        group = Group(
            contextID: worldContextID, endpoints: endpoints.all, of: endpoints,
            failure: Failure(endpoints: endpoints.all, world: nil))
    }

    /// The group of a new communicator. Its first member makes it, its last one takes it away:
    /// every member asks exactly once.
    func group(contextID: UInt64, endpoints members: [EndpointPointer]) -> Group {
        unclaimed.withLock { unclaimed in
            var entry =
                unclaimed[contextID]
                ?? (
                    Group(
                        contextID: contextID, endpoints: members, of: endpoints,
                        failure: Failure(endpoints: members, world: group.failure)),
                    members.count
                )
            entry.claims -= 1
            unclaimed[contextID] = entry.claims == 0 ? nil : entry
            return entry.group
        }
    }

    /// A rank's program has returned: those who wait for it are told.
    func leave(rank: Int) {
        endpoints[rank].pointee.hasLeft.store(true, ordering: .sequentiallyConsistent)
        for endpoint in endpoints.all { endpoint.pointee.notify() }
    }
}
