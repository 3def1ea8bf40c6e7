// New communicators, failure, and the numbering of collectives.

import MessagePassing

extension ThreadCommunicator {
    func split(color: Int?, key: Int) throws(MPIError) -> (any Communicator)? {
        let plan = try planSplit(color: color, key: key, contextID: group.contextID)
        guard let plan else { return nil }
        return derive(contextID: plan.contextID, members: plan.members, rank: plan.rank)
    }

    /// Costs no message: the new context id is a function of the call's number.
    func dup() throws(MPIError) -> any Communicator {
        let call = try beginCollective(.dup, root: nil)
        let id = childContextID(parent: group.contextID, sequence: call.sequence, color: 0)
        return derive(contextID: id, members: Array(0..<size), rank: rank)
    }

    private func derive(contextID: UInt64, members: [Int], rank: Int) -> ThreadCommunicator {
        let endpoints = members.map { group.endpoints[$0] }
        return ThreadCommunicator(
            world: world, group: world.group(contextID: contextID, endpoints: endpoints),
            rank: rank)
    }

    func abort(_ reason: MPIError) throws(MPIError) -> Never {
        throw group.failure.fail(reason)
    }

    func beginCollective(
        _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        try group.failure.check()
        mailbox.pointee.lock()
        let call = mailbox.pointee.ledger.begin(operation, root: root)
        let other = mailbox.pointee.queues.unexpectedCall(
            sequence: call.sequence, otherThan: call.packed)
        let error = other.flatMap {
            mailbox.pointee.ledger.mismatch(arrived: $0.call, from: $0.source)
        }
        mailbox.pointee.unlock()
        if let error { throw group.failure.fail(error) }
        return call
    }
}
