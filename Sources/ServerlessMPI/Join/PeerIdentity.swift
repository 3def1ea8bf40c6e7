// Who this rank is to its peers, and the keys it shares with each of them.

/// What this rank knows of itself when it greets others.
struct PeerIdentity: Sendable {
    let rank: Int
    let size: Int
    let job: String
    let jobTag: [UInt8]
    let epoch: UInt64
    private(set) var encryption: EncryptionMode
    let peerSecret: Secret

    init(_ configuration: JoinConfiguration, rank: Int) {
        self.rank = rank
        size = configuration.url.size
        job = configuration.url.job
        jobTag = PeerHello.jobTag(job)
        epoch = configuration.url.epoch
        encryption = configuration.url.encryption
        peerSecret = configuration.peerSecret
    }

    func keys(with peer: Int) -> PairKeys {
        PairKeys(
            peerSecret: peerSecret, job: job, epoch: epoch, low: min(rank, peer),
            high: max(rank, peer), encryption: encryption)
    }
}

extension PeerIdentity {
    /// The same rank as it greets over a relay: whatever the job says, what a relay carries is
    /// encrypted, with the keys of a job that is.
    var overRelay: PeerIdentity {
        var identity = self
        identity.encryption = .on
        return identity
    }
}
