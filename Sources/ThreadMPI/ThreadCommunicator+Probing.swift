// Probes: looking at messages without, or before, receiving them (MPI 4.1 §3.8).

import MessagePassing
import Synchronization

extension ThreadCommunicator {
    func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        if source == .none { return .empty }
        try check(source, tag, "probe")
        let found = withMailbox { $0.pointee.queues.probe(source: source, tag: tag) }
        if let found { return found.status }
        advanceCollectives()
        try group.failure.check()
        letOthersRun()
        return nil
    }

    func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        if source == .none { return .empty }
        try check(source, tag, "probe")
        return try awaitMessage(from: source, tag) { (mailbox) in
            mailbox.pointee.queues.probe(source: source, tag: tag)?.status
        }
    }

    func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        if source == .none { return (.none, .empty) }
        try check(source, tag, "probe")
        if let claimed = withMailbox({ claim($0, source, tag) }) { return claimed }
        advanceCollectives()
        try group.failure.check()
        letOthersRun()
        return nil
    }

    func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        if source == .none { return (.none, .empty) }
        try check(source, tag, "probe")
        return try awaitMessage(from: source, tag) { claim($0, source, tag) }
    }

    func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        guard let claimed = OperationPointer(bitPattern: UInt(message.rawValue)) else {
            return .done
        }
        mailbox.pointee.lock()
        if claimed.pointee.isWithdrawn {
            // Its sender has given up, as the communicator has failed.
            mailbox.pointee.free(claimed)
            mailbox.pointee.unlock()
            try group.failure.throwCause()
        }
        claimed.pointee.isTaken = true
        let receive = take(receiveInto: buffer, from: .rank(claimed.pointee.source))
        mailbox.pointee.unlock()
        accept(claimed, into: receive)
        return receive.handle
    }

    private func claim(
        _ mailbox: MailboxPointer, _ source: Source, _ tag: Tag
    ) -> (message: MessageHandle, status: Status)? {
        guard let found = mailbox.pointee.queues.claim(source: source, tag: tag) else { return nil }
        let address = UInt(bitPattern: mailbox.pointee[found.message])
        return (MessageHandle(rawValue: UInt64(address)), found.status)
    }

    /// Blocks until `look` finds something among the messages that wait.
    private func awaitMessage<Found>(
        from source: Source, _ tag: Tag, _ look: (MailboxPointer) -> Found?
    ) throws(MPIError) -> Found {
        while true {
            let notices = endpoint.pointee.notices.load(ordering: .sequentiallyConsistent)
            let arrivals = mailbox.pointee.arrivals.load(ordering: .sequentiallyConsistent)
            advanceCollectives()
            let hasLeft =
                source != .any
                && group.endpoints[source.rawValue].pointee.hasLeft.load(
                    ordering: .sequentiallyConsistent)
            if let found = withMailbox(look) { return found }
            try group.failure.check()
            if hasLeft {
                throw group.failure.fail(
                    lostPeer("probe", source.rawValue, "without sending what this rank probes for"))
            }
            let isReady = endpoint.pointee.block {
                mailbox.pointee.arrivals.load(ordering: .sequentiallyConsistent) != arrivals
                    || group.failure.hasFailed
                    || endpoint.pointee.notices.load(ordering: .sequentiallyConsistent) != notices
            }
            if !isReady {
                let sender = source == .any ? "any rank" : "rank \(source)"
                throw group.failure.fail(
                    missedDeadline("probe", "a message from \(sender) with tag \(tag)"))
            }
        }
    }

    private func withMailbox<Result>(_ body: (MailboxPointer) -> Result) -> Result {
        mailbox.pointee.lock()
        defer { mailbox.pointee.unlock() }
        return body(mailbox)
    }
}

extension MessageHandle {
    /// MPI_MESSAGE_NO_PROC: what a probe of `.none` finds.
    static let none = MessageHandle(rawValue: 0)
}
