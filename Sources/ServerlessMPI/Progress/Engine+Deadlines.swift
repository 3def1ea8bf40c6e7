// Waits that must not go on: the deadline has passed, or what is awaited can come from nobody any
// more.

import MessagePassing

extension Engine {
    func checkDeadline(_ idle: inout IdleState, _ awaited: Awaited) throws(MPIError) {
        guard let timeout = settings.timeout else { return }
        guard idle.deadline != 0 else {
            idle.deadline = bootNanoseconds() + Int64(timeout.milliseconds) * 1_000_000
            return
        }
        if bootNanoseconds() < idle.deadline { return }
        suspect(timeoutError(awaited, timeout))
        throw awaitVerdict()
    }

    /// Fails if what is waited for can only come from ranks that have left.
    func checkAbandoned(_ awaited: Awaited) throws(MPIError) {
        let lost: MPIError?
        switch awaited {
        case .request(let index):
            lost = abandonment(of: requests[index])
        case .requests(let handles):
            var first: MPIError?
            for handle in handles {
                guard let index = requests.find(handle.rawValue),
                    let error = abandonment(of: requests[index])
                else { return }
                if first == nil { first = error }
            }
            lost = first
        case .message(let peer, let tag):
            lost = hasLeft(peer) ? leftError(peer, "probe", tag: tag.rawValue) : nil
        }
        guard let lost else { return }
        suspect(lost)
        throw awaitVerdict()
    }

    private func abandonment(of request: RequestSlot) -> MPIError? {
        // What lies in a store is there, whether or not its sender is.
        guard !request.isTransferring, hasLeft(Int(request.peer)) else { return nil }
        return leftError(
            Int(request.peer), request.kind == .send ? "send" : "recv",
            tag: request.tag >= 0 ? request.tag : nil)
    }

    /// Has this world rank said bye? For any (-1): have all other ranks?
    private func hasLeft(_ peer: Int) -> Bool {
        if peer >= 0 { return links[peer]?.pointee.hasLeft ?? false }
        return size > 1
            && links.indices.allSatisfy { $0 == rank || links[$0]?.pointee.hasLeft ?? false }
    }
}
