// What the engine adds to collectives: it numbers the calls of each communicator and notices when
// the ranks disagree about which one comes next.

import MessagePassing

extension Engine {
    /// Numbers the next collective of a space, and compares it with what peers have sent for that
    /// number already; messages that come later are compared on arrival.
    func beginCollective(
        in space: MessageSpace, _ operation: CollectiveOperation, root: Int?
    ) throws(MPIError) -> CollectiveCall {
        lock()
        defer { unlock() }
        try checkAlive()
        let call = space.ledger.begin(operation, root: root)
        if let (theirs, source) = space.queues.unexpectedCall(
            sequence: call.sequence, otherThan: call.packed),
            let error = space.ledger.mismatch(arrived: theirs, from: source)
        {
            suspect(error)
            throw awaitVerdict()
        }
        return call
    }
}
