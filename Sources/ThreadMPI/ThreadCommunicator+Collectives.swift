// Nonblocking collectives: recorded schedules, which every call of the rank that waits or tests
// carries on.

import MessagePassing
import Synchronization

extension ThreadCommunicator {
    func start(_ collective: Collective) throws(MPIError) -> RequestHandle {
        let schedule = try schedule(collective)
        mailbox.pointee.lock()
        let operation = mailbox.pointee.next(mailbox)
        mailbox.pointee.take()
        mailbox.pointee.unlock()
        operation.pointee.kind = .collective
        operation.pointee.waiter = endpoint
        operation.pointee.peer = nil
        let handle = operation.handle
        endpoint.pointee.collectiveCount.add(1, ordering: .sequentiallyConsistent)
        endpoint.pointee.collectives.add(schedule) { [unowned self] error in
            if let error {
                endpoint.pointee.collectiveErrors.withLock { $0[handle.rawValue] = error }
            }
            endpoint.pointee.collectiveCount.subtract(1, ordering: .sequentiallyConsistent)
            OperationPointer(handle)?.complete()
        }
        endpoint.pointee.notify()
        advanceCollectives()
        return handle
    }

    /// Does what can be done for this rank's collectives, unless another of its threads is at it,
    /// which then sees what this one has seen.
    @inline(__always)
    func advanceCollectives() {
        if endpoint.pointee.collectiveCount.load(ordering: .sequentiallyConsistent) > 0 {
            advanceAll()
        }
    }

    @inline(never)
    private func advanceAll() {
        var seen: UInt32
        repeat {
            guard
                endpoint.pointee.isAdvancing.compareExchange(
                    expected: false, desired: true, ordering: .sequentiallyConsistent
                ).exchanged
            else { return }
            seen = endpoint.pointee.notices.load(ordering: .sequentiallyConsistent)
            endpoint.pointee.collectives.advance()
            endpoint.pointee.isAdvancing.store(false, ordering: .sequentiallyConsistent)
        } while endpoint.pointee.notices.load(ordering: .sequentiallyConsistent) != seen
    }

    /// The error of a complete collective, which is thereby told.
    func collectiveError(_ operation: OperationPointer) -> MPIError? {
        let name = operation.handle.rawValue
        return endpoint.pointee.collectiveErrors.withLock { $0.removeValue(forKey: name) }
    }
}
