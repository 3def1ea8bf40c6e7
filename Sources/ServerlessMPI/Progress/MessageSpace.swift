// The matching state of one communicator on this rank: its group, its queues, its record of
// collective calls. It may exist before the communicator does, when a peer was faster.

import MessagePassing

/// One context id's messages and receives. Guarded by the engine's lock.
final class MessageSpace: @unchecked Sendable {
    /// Communicators that peers may use before this rank has created them.
    static let earlyCountMax = 4096

    let contextID: UInt64
    /// Its index in the engine.
    let number: Int32
    /// This process's rank in the group; -1 while the space is early.
    private(set) var rank: Int
    /// World ranks in the order of the group; empty while the space is early.
    private(set) var group: [Int]
    /// In raw memory, like `EngineState`: every message changes them, and the lock ensures what
    /// exclusivity checks would.
    private let matching: UnsafeMutablePointer<MatchQueues>
    private let calls: UnsafeMutablePointer<CollectiveLedger>

    init(contextID: UInt64, number: Int32, rank: Int, group: [Int]) {
        self.contextID = contextID
        self.number = number
        self.rank = rank
        self.group = group
        matching = .allocate(capacity: 1)
        matching.initialize(to: MatchQueues())
        calls = .allocate(capacity: 1)
        calls.initialize(to: CollectiveLedger())
    }

    deinit {
        matching.deinitialize(count: 1)
        matching.deallocate()
        calls.deinitialize(count: 1)
        calls.deallocate()
    }

    var queues: MatchQueues {
        unsafeAddress { UnsafePointer(matching) }
        unsafeMutableAddress { matching }
    }

    var ledger: CollectiveLedger {
        unsafeAddress { UnsafePointer(calls) }
        unsafeMutableAddress { calls }
    }

    /// Has this rank not created the communicator yet?
    var isEarly: Bool { group.isEmpty }

    func open(rank: Int, group: [Int]) {
        self.rank = rank
        self.group = group
    }

    /// May a message of group rank `source` come over the link to world rank `peer`?
    func admits(source: Int, from peer: Int) -> Bool {
        isEarly || (source < group.count && group[source] == peer)
    }
}
