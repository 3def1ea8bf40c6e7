// What messages cost on one kind of channel, in time and money. Seconds, bytes and dollars only:
// FMI's model, which this one follows, added milliseconds to seconds.

/// A way for ranks to exchange messages.
public enum Channel: String, Sendable, CaseIterable, CustomStringConvertible {
    /// A connection from rank to rank.
    case direct
    /// A connection from rank to rank through a relay that all pairs share.
    case relayed
    /// Lists and keys of a Redis server.
    case redis
    /// Objects of S3.
    case s3

    public var description: String { rawValue }
    /// Does a message wait in a store until its receiver asks for it?
    public var isStorage: Bool { self == .redis || self == .s3 }
}

/// The parameters of one channel (the α and β of Hockney 1994, the o of LogP, Culler et al. 1993,
/// and prices).
public struct ChannelCosts: Sendable, Equatable {
    public var channel: Channel
    /// From rank to rank for an empty message; on a store, one request and its answer.
    public var latencySeconds: Double
    /// What a rank's processor is busy with a message of a collective, at either end: messages to
    /// several ranks at once wait for each other that long.
    public var overheadSeconds: Double
    /// What one rank can move, each way.
    public var bytesPerSecond: Double
    /// What all ranks together can move through a shared server; infinite where there is none.
    public var sharedBytesPerSecond: Double
    /// Mean time by which a receiver that polls notices a message too late; 0 where it is woken.
    public var pollingSeconds: Double
    public var dollarsPerWrite: Double
    public var dollarsPerRead: Double
    /// A server that has to be there, for the time of the operation.
    public var serverDollarsPerHour: Double
    /// Where the numbers are from: shown by `explain`, so that a default is never taken for a
    /// measurement.
    public var origin: String

    public init(
        channel: Channel, latencySeconds: Double, overheadSeconds: Double = 4e-6,
        bytesPerSecond: Double, sharedBytesPerSecond: Double = .infinity,
        pollingSeconds: Double = 0, dollarsPerWrite: Double = 0, dollarsPerRead: Double = 0,
        serverDollarsPerHour: Double = 0, origin: String
    ) {
        precondition(latencySeconds >= 0 && bytesPerSecond > 0 && sharedBytesPerSecond > 0)
        precondition(overheadSeconds >= 0)
        self.channel = channel
        self.latencySeconds = latencySeconds
        self.overheadSeconds = overheadSeconds
        self.bytesPerSecond = bytesPerSecond
        self.sharedBytesPerSecond = sharedBytesPerSecond
        self.pollingSeconds = pollingSeconds
        self.dollarsPerWrite = dollarsPerWrite
        self.dollarsPerRead = dollarsPerRead
        self.serverDollarsPerHour = serverDollarsPerHour
        self.origin = origin
    }

    /// Time for `ranks` ranks to move `byteCount` bytes each at once.
    func transferSeconds(_ byteCount: Double, ranks: Int) -> Double {
        byteCount / min(bytesPerSecond, sharedBytesPerSecond / Double(max(1, ranks)))
    }
}

extension ChannelCosts {
    /// AWS: latencies and bandwidths as FMI measured them between Lambda functions in 2022
    /// (arXiv 2305.08763), list prices of us-east-1 (cache.m6g.large, t4g.small) and, for S3
    /// requests, FMI's. Defaults, not measurements of yours.
    public static let aws: [ChannelCosts] = [
        ChannelCosts(
            channel: .direct, latencySeconds: 0.34e-3, bytesPerSecond: 400e6,
            serverDollarsPerHour: 0.0168, origin: "AWS default (FMI 2022)"),
        // Half of direct in latency and bandwidth is our estimate: every byte goes in and out.
        ChannelCosts(
            channel: .relayed, latencySeconds: 0.68e-3, bytesPerSecond: 200e6,
            sharedBytesPerSecond: 300e6, serverDollarsPerHour: 0.0168,
            origin: "AWS default (estimated from direct)"),
        ChannelCosts(
            channel: .redis, latencySeconds: 5.2e-3 / 2, bytesPerSecond: 100e6,
            sharedBytesPerSecond: 400e6, serverDollarsPerHour: 0.149,
            origin: "AWS default (FMI 2022)"),
        ChannelCosts(
            channel: .s3, latencySeconds: 40.4e-3 / 2, bytesPerSecond: 50e6,
            pollingSeconds: 10e-3, dollarsPerWrite: 5.4e-6, dollarsPerRead: 4.3e-7,
            origin: "AWS default (FMI 2022)"),
    ]
}
