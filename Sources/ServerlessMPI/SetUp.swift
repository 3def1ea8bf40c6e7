// What a program can ask about how its rank came into the job: times, encryption, connections.

/// How this rank joined its job.
public struct SetUp: Sendable {
    /// Until the rendezvous server had every rank and told who they are.
    public var joinTime: Duration
    /// From there until this rank was connected to every other, where that is done at the start.
    public var connectTime: Duration
    /// Are the bytes between ranks encrypted? Nil in a world of size 1, where there are none.
    public var encryption: EncryptionMode?
    /// The connection to each rank of the world, nil to itself and where links are made when they
    /// are needed; `ServerlessCommunicator.paths` tells of those too.
    public var paths: [LinkPath?]
    /// What the rendezvous server sees of this rank. Nil in a world of size 1 without a server.
    public var attachment: NetworkAttachment?

    /// A world of one rank.
    static let alone = SetUp(
        joinTime: .zero, connectTime: .zero, encryption: nil, paths: [nil])
}
