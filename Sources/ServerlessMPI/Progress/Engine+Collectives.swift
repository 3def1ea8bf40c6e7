// What the engine adds to collectives: it numbers the calls of each communicator, notices when the
// ranks disagree about which one comes next, and carries nonblocking ones on.

import MessagePassing

extension Engine {
    /// Numbers the next collective of a space, and compares it with what peers have sent for that
    /// number already; messages that come later are compared on arrival.
    func beginCollective(
        in space: MessageSpace, _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        lock()
        defer { unlock() }
        return try number(operation, root: root, in: space)
    }

    /// The same with the lock held.
    func number(
        _ operation: CollectiveOperation, root: Int?, in space: MessageSpace
    ) throws(MPIError) -> CollectiveCall {
        try checkAlive()
        let call = space.ledger.begin(operation, root: root)
        guard space.queues.holdsCollective else { return call }
        if let (theirs, source) = space.queues.unexpectedCall(
            sequence: call.sequence, otherThan: call.packed),
            let error = space.ledger.mismatch(arrived: theirs, from: source)
        {
            suspect(error)
            throw awaitVerdict()
        }
        return call
    }

    // MARK: Nonblocking

    /// Begins a recorded collective.
    func start(_ schedule: CollectiveSchedule) throws(MPIError) -> RequestHandle {
        lock()
        defer { unlock() }
        try checkAlive()
        let index = requests.take()
        requests[index].kind = .collective
        requests[index].peer = -1
        requests[index].call = schedule.call.packed
        let name = requests.name(index)
        collectives.add(schedule) { [unowned self] error in completeCollective(name, error) }
        state.pointee.hasCollectives = true
        state.pointee.collectivesAreDue = true
        advanceCollectives()
        return RequestHandle(rawValue: name)
    }

    private func completeCollective(_ name: UInt64, _ error: MPIError?) {
        lock()
        if let index = requests.find(name) {
            collectiveErrors[name] = error
            complete(index)
        }
        state.pointee.hasCollectives = !collectives.isEmpty
        unlock()
    }

    /// Carries on what is under way, if a request has completed since the last time; the lock is
    /// released meanwhile. False if there was nothing to do, or another thread does it.
    @discardableResult
    func advanceCollectives() -> Bool {
        guard state.pointee.collectivesAreDue, !state.pointee.isAdvancingCollectives else {
            return false
        }
        state.pointee.isAdvancingCollectives = true
        // What completes meanwhile is seen by this loop, also if another thread noticed it.
        while state.pointee.collectivesAreDue && !state.pointee.isTroubled {
            state.pointee.collectivesAreDue = false
            unlock()
            collectives.advance()
            lock()
        }
        state.pointee.isAdvancingCollectives = false
        return true
    }
}
