// A rank whose connection to the rendezvous server has broken calls it again, until it leaves: a
// server that is still there waits for it a moment, and one that has been started again knows nothing
// of the job, and takes whoever shows the ticket of the one before.

import MessagePassing

/// When to call the server again, and with which ticket.
struct Rejoining {
    private static let firstPause = Duration.milliseconds(50)
    private static let pause = Duration.milliseconds(500)

    /// When the server is called again.
    var at: ContinuousClock.Instant?
    private(set) var ticket: [UInt8] = []
    private var isForbidden = false
    private var isAgain = false
    private var isFirstCall = true

    /// The connection has ended although the job goes on.
    mutating func lost(_ now: ContinuousClock.Instant) {
        guard !ticket.isEmpty, !isForbidden else { return }
        at = now + (isFirstCall ? Self.firstPause : Self.pause)
        isFirstCall = false
    }

    mutating func calls() {
        at = nil
        isAgain = true
    }

    /// Is this call one to join again?
    var isPending: Bool { isAgain }

    /// Keeps the ticket; true if the rank was in the job before.
    mutating func isWelcomed(_ welcome: Welcome) -> Bool {
        ticket = welcome.ticket
        isFirstCall = true
        return isAgain
    }

    /// Was it the server that would not have this rank back, rather than the job that has failed?
    /// Then the ranks go on without it.
    mutating func isRefused(_ cause: MPIError) -> Bool {
        guard isAgain, cause.code == .duplicateRank || cause.code == .staleEpoch else {
            return false
        }
        isForbidden = true
        return true
    }
}

extension ControlLoop {
    /// Begins a new connection to the server, from the shared port if possible: a NAT then shows
    /// this rank where the others know it.
    func callAgain(_ now: ContinuousClock.Instant) {
        rejoining.calls()
        guard state.firstCause == nil, let mesh else { return }
        var configuration = configuration
        configuration.url.observerPort = nil
        server = ServerConnection(
            configuration, addresses, poll: state.poll, token: Self.serverToken,
            observationToken: Self.observationToken, preferredPort: mesh.port)
        server.start(now)
        serverMoved()
    }

    /// Joins with the ticket, and asks once more for the links that are sought.
    func joinAgain() {
        guard rejoining.isPending, let rank, let mesh else { return }
        let url = configuration.url
        server.send(
            .join(
                JoinRequest(
                    encryption: url.encryption, epoch: url.epoch, size: url.size, rank: rank,
                    joinTimeout: url.joinTimeout, requestID: configuration.requestID,
                    hostTag: configuration.hostTag,
                    candidates: Array(mesh.hostCandidates.prefix(Candidate.maximumCount)),
                    ticket: rejoining.ticket)))
        for peer in demands.peers { signal(peer, mesh) }
    }
}
