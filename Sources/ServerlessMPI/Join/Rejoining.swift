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
    /// Of whom this server has been told that they have left.
    private var told: Set<Int> = []

    /// The connection has ended although the job goes on.
    mutating func lost(_ now: ContinuousClock.Instant) {
        guard isPossible else { return }
        at = now + (isFirstCall ? Self.firstPause : Self.pause)
        isFirstCall = false
    }

    /// Nothing keeps this rank from calling again.
    var isPossible: Bool { !ticket.isEmpty && !isForbidden }

    mutating func calls() {
        at = nil
        isAgain = true
        told = []
    }

    /// Those of the ranks that have left of whom the server has not been told; it is now. Only one
    /// that has been called again may need to hear it.
    mutating func takeUntold(_ departed: [Int]) -> [Int] {
        guard isAgain else { return [] }
        return departed.filter { told.insert($0).inserted }
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
        tellDepartures()
        for peer in demands.peers { signal(peer, mesh) }
        if isLeaving { server.send(.bye) }
    }

    /// Tells a server that may have been started again who has left: it answers those who still
    /// need a link to one of them.
    func tellDepartures() {
        guard server.isOpen, let keeper = state.linkKeeper else { return }
        var ranks = rejoining.takeUntold(keeper.departed())[...]
        while !ranks.isEmpty {
            server.send(.departed(Array(ranks.prefix(ClientMessage.departedCountMax))))
            ranks = ranks.dropFirst(ClientMessage.departedCountMax)
        }
    }

    /// This rank has done its work, and says bye. If it has lost the server it calls it once more:
    /// a peer whose connection breaks now could else not learn that nobody is lost.
    func sayBye() {
        if server.isOpen {
            server.send(.bye)
            serverMoved()
        } else if mayCallAgain {
            if rejoining.at != nil { rejoining.at = .now }
        } else {
            isDone = true
        }
    }

    /// Is the server worth another call?
    var mayCallAgain: Bool {
        guard rejoining.isPossible, state.firstCause == nil, let mesh, mesh.isStarted else {
            return false
        }
        return mesh.hasResumableLinks || configuration.url.isLazy
    }
}
