// How links that are made after the start reach the engine: the control thread leaves them here
// and wakes the poller; whichever thread makes progress next takes them over.

import MessagePassing
import Synchronization

/// Asks for the link to a peer, once per peer. It is called with the engine's lock held, so it
/// must return at once and must not call the engine.
typealias LinkConnector = @Sendable (_ peer: Int) -> Void

/// Finished links on their way from the control thread to the engine.
final class LinkMailbox: Sendable {
    private struct Contents {
        var links: [EstablishedLink] = []
        var isClosed = false
    }

    private let contents = Mutex(Contents())

    /// False if the engine has closed its links: then the caller keeps this one.
    func put(_ link: EstablishedLink) -> Bool {
        contents.withLock { contents in
            guard !contents.isClosed else { return false }
            contents.links.append(link)
            return true
        }
    }

    func take() -> [EstablishedLink] {
        contents.withLock { contents in
            defer { contents.links = [] }
            return contents.links
        }
    }

    /// Takes what is left and refuses what comes later.
    func close() -> [EstablishedLink] {
        contents.withLock { contents in
            defer { contents = Contents(isClosed: true) }
            return contents.links
        }
    }
}
