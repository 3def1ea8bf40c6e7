// Where one rank's messages of one communicator are matched, under one lock.

import Glibc
import MessagePassing
import Synchronization

typealias MailboxPointer = UnsafeMutablePointer<Mailbox>

/// Matching state of one rank in one communicator. Senders come to the receiver's mailbox.
///
/// The lock is held for matching and for copying short messages only.
struct Mailbox: ~Copyable {
    /// Longest message that is buffered if no receive is posted, so that `send` returns.
    static let bufferedByteCountMax = 64 << 10
    /// What one mailbox buffers in all; beyond it sends wait for their receive (MPI 4.1 §3.5).
    static let bufferedTotalMax = 64 << 20

    let owner: EndpointPointer
    /// Counts messages that found no receive: what probes wait for.
    let arrivals = Atomic<UInt32>(0)

    // All below belongs to the holder of the lock.
    var queues = MatchQueues()
    var ledger = CollectiveLedger()
    var bufferedTotal = 0
    private var operations: [OperationPointer] = []
    private var unused: [UInt32] = []
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    init(owner: EndpointPointer) {
        self.owner = owner
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        for operation in operations {
            operation.deinitialize(count: 1)
            UnsafeMutableRawPointer(operation).deallocate()
        }
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    @inline(__always) func lock() { pthread_mutex_lock(mutex) }
    @inline(__always) func unlock() { pthread_mutex_unlock(mutex) }

    @inline(__always)
    subscript(id: UInt32) -> OperationPointer { operations[Int(id)] }

    /// An unused operation, which stays unused until `take`.
    @inline(__always)
    mutating func next(_ mailbox: MailboxPointer) -> OperationPointer {
        if let id = unused.last { return operations[Int(id)] }
        return grow(mailbox)
    }

    @inline(never)
    private mutating func grow(_ mailbox: MailboxPointer) -> OperationPointer {
        // Two cache lines apart: the prefetcher fetches them in pairs.
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<Operation>.stride, alignment: 128)
        let operation = memory.bindMemory(to: Operation.self, capacity: 1)
        let id = UInt32(operations.count)
        operation.initialize(to: Operation(mailbox: mailbox, id: id, waiter: owner))
        operations.append(operation)
        unused.append(id)
        return operation
    }

    /// Puts the operation that `next` returned into use.
    @inline(__always)
    mutating func take() { unused.removeLast() }

    /// Ends the life of an operation.
    @inline(__always)
    mutating func free(_ operation: OperationPointer) {
        if operation.pointee.isBuffered { bufferedTotal -= operation.pointee.byteCount }
        operation.pointee.reset()
        unused.append(operation.pointee.id)
    }

    private mutating func remove(_ operation: OperationPointer) -> Bool {
        switch operation.pointee.kind {
        case .receive:
            guard queues.withdraw(receive: operation.pointee.id) else { return false }
            free(operation)
        case .collective:
            // Ends when its messages have ended.
            return false
        case .message:
            if operation.pointee.isTaken { return false }
            if queues.withdraw(message: operation.pointee.id) {
                free(operation)
            } else {
                operation.pointee.isWithdrawn = true
            }
        }
        return true
    }

    /// Takes an operation that has no partner yet out of matching; false if it has one, which
    /// will complete it. A receive is freed; so is a message, unless a matched probe holds it.
    static func withdraw(_ operation: OperationPointer) -> Bool {
        // Locked before the mutating call: a method may assume that it alone sees its `self`.
        let mailbox = operation.pointee.mailbox
        mailbox.pointee.lock()
        defer { mailbox.pointee.unlock() }
        return mailbox.pointee.remove(operation)
    }
}
