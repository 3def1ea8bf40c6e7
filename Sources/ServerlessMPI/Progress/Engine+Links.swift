// How links come: all at the start of a small job, one by one in a large one. A link that the
// program needs is asked for once; frames wait in its queue until the control thread has made it.

import CLinux
import Glibc
import MessagePassing

extension Engine {
    /// How long this rank sleeps in a receive from one rank before it asks for the link to it. A
    /// message needs no link at its receiver's end, but only asking tells that the sender has left.
    private static let demandDelayNanoseconds: Int64 = 1_000_000_000

    /// A wanted link to a peer that has none. Nil for this rank itself.
    func demandLink(to peer: Int) -> LinkPointer? {
        guard peer != rank else { return nil }
        let link = makeLink(to: peer)
        guard let connector else {
            suspect(
                MPIError(
                    .connectFailed, operation: "connect",
                    reason: "there is no link to it, and nobody who could make one", peer: peer))
            return link
        }
        connector(peer)
        return link
    }

    private func makeLink(to peer: Int) -> LinkPointer {
        let link = LinkPointer.allocate(capacity: 1)
        link.initialize(to: Link(peer: peer))
        links[peer] = link
        return link
    }

    /// Takes over a connection that the control thread has made. From any thread; the peer may
    /// have begun it, and this rank may be computing: until its next call what comes waits in the
    /// kernel.
    func handOver(_ link: EstablishedLink) {
        guard arrivals.put(link) else { return EstablishedLink.close([link]) }
        poller.wake()
    }

    /// Attaches what the mailbox holds. True if there was something.
    func attachArrivals() -> Bool {
        let arrived = arrivals.take()
        for link in arrived {
            do throws(MPIError) {
                try attach(link)
            } catch {
                suspect(error)
            }
        }
        return !arrived.isEmpty
    }

    /// Connects a link, wanted or not, and goes on with what it has queued.
    func attach(_ established: EstablishedLink) throws(MPIError) {
        let peer = established.peer
        guard links.indices.contains(peer), peer != rank, makesRoom(for: established) else {
            return EstablishedLink.close([established])
        }
        let link = links[peer] ?? makeLink(to: peer)
        let isFirst = !link.pointee.isResumable
        link.pointee.attach(established, window: window, ringByteCount: ringByteCount)
        if link.pointee.isRelayed, rank < peer, link.pointee.turns == nil {
            link.pointee.turns = RelayTurns()
        }
        paths[peer] = established.path
        try poller.add(link.pointee.socket, Poller.readable, token: UInt64(peer))
        link.pointee.watchedEvents = Poller.readable
        if isFirst, link.pointee.isResumable {
            link.pointee.queue.keepWaiting(frames) { complete($0) }
        }
        if established.incarnation > 0 {
            sayPosition(on: link)
            // The peer seemed gone when this rank said its byes.
            if isLeaving, !link.pointee.saidBye { sayBye(link) }
        } else if isLeaving {
            attachLate(link)
        } else {
            // Frames that were queued before tell the least limit; without any nothing is told.
            if !link.pointee.hasQueue || link.pointee.receiveCredit.isDue {
                enqueue(FrameHeader(type: .credit), on: link)
            }
            flush(link)
        }
        // What TLS read ahead during the handshake raises no event any more.
        _ = read(link)
    }

    /// A link that comes while this rank leaves still carries what was sent, and ends in order.
    private func attachLate(_ link: LinkPointer) {
        if link.pointee.hasQueue { flush(link) } else { sayBye(link) }
        // Otherwise `leave` shuts it down once all is written.
        shutDownIfWritten(link)
    }

    /// The connections there are now, by world rank.
    var currentPaths: [LinkPath?] {
        lock()
        defer { unlock() }
        _ = attachArrivals()
        return paths
    }

    /// Asks for the link to the one rank that a sleeping call waits for.
    func askForAwaited(_ idle: inout IdleState, _ awaited: Awaited) {
        let peer = Int(peer(of: awaited))
        guard connector != nil, peer >= 0, links[peer] == nil else { return }
        guard idle.demandAt != 0 else {
            idle.demandAt = bootNanoseconds() + Self.demandDelayNanoseconds
            return
        }
        if bootNanoseconds() >= idle.demandAt { _ = demandLink(to: peer) }
    }
}
