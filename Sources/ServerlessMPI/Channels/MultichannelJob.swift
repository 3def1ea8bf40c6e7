// What all communicators of one rank share: the stores, which links are relayed, and the counters.
// Made by all ranks together when the job begins, so that what the choices rest on is agreed.

import MessagePassing

/// One rank's stores and links in a job over several channels.
final class MultichannelJob: Sendable {
    let plan: ChannelPlan
    let engines: [Channel: StorageEngine]
    let links: LinkKinds
    let costs: MeasuredCosts
    let counters = ChannelCounters()

    /// Collective over links: every rank tells what it was told, and which of its links are relayed.
    /// - Parameter costModel: the path of rank 0's file; nil for the default costs.
    /// - Errors: `invalidArgument` if ranks have different plans, a store is not named or the file
    ///   is no model; `connectFailed` if a store cannot be reached.
    init(
        _ plan: ChannelPlan, _ places: [Channel: StorageURL.Place], _ url: JoinURL,
        costModel: String? = nil, over world: ServerlessCommunicator
    ) throws(MPIError) {
        self.plan = plan
        for channel in plan.stores where places[channel] == nil {
            throw .invalidArgument(
                "join",
                "channel \(channel) needs \(JoinConfiguration.Variable.place(of: channel)), "
                    + "which says where the store is")
        }
        links = try LinkKinds(gatheredOver: world)
        costs = try MeasuredCosts(atRank0: costModel, over: world)
        let name = try Self.agree(plan, places, url, over: world)
        var engines: [Channel: StorageEngine] = [:]
        for channel in plan.stores {
            guard let place = places[channel] else { continue }
            let storeURL = StorageURL(
                place: place, job: name, epoch: url.epoch, size: url.size,
                joinTimeout: url.joinTimeout, timeout: url.timeout)
            let store: any MessageStore =
                switch place {
                case .redis: try RedisStore(storeURL, .member(rank: world.rank))
                case .s3: try S3Store(storeURL, .member(rank: world.rank))
                }
            engines[channel] = StorageEngine(
                store: store, timeout: url.timeout, arbiter: { world.engine.abort($0) })
        }
        self.engines = engines
        // A first thread, so that later there is one to take transfers, whatever the system has left.
        world.engine.storeTransfers.submit {}
        world.engine.payloadStores = plan.stores.compactMap { engines[$0]?.store }
        // Nobody sends by way of a store before all know it.
        try world.barrier()
    }

    /// Compares what the ranks were told; the job's name in the stores, which no earlier job of this
    /// name and epoch has had.
    private static func agree(
        _ plan: ChannelPlan, _ places: [Channel: StorageURL.Place], _ url: JoinURL,
        over world: ServerlessCommunicator
    ) throws(MPIError) -> String {
        var told = plan.description
        for channel in plan.stores {
            if let place = places[channel] { told += " \(place)" }
        }
        // FNV-1a: equal texts are what matters, nobody here wants to deceive.
        var print: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in told.utf8 { print = (print ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let mine: [UInt64] = [print, UInt64.random(in: .min ... .max)]
        let all = try world.allgather(mine.span)
        for rank in 0..<world.size where all[2 * rank] != print {
            throw .invalidArgument(
                "join",
                "rank \(rank) was told of other channels or stores than rank \(world.rank); "
                    + "all ranks need the same ones")
        }
        return "\(url.job)-\(String(all[1], radix: 16))"
    }

    /// What the engine calls a channel's store; 0 for a link.
    func number(of channel: Channel) -> UInt8 {
        guard channel.isStorage, let index = plan.stores.firstIndex(of: channel) else { return 0 }
        return UInt8(index + 1)
    }

    /// The job has failed: whoever waits for a store need not wait longer.
    func failed(_ cause: MPIError) {
        for engine in engines.values { engine.jobFailed(cause) }
    }

    /// Leaves the stores, the last rank with nothing left in them.
    func leave(deadline: ContinuousClock.Instant) throws(MPIError) {
        for engine in engines.values {
            engine.pool?.stop()
            try engine.store.leave(deadline: deadline)
        }
    }
}

extension MultichannelJob {
    /// As far as it goes in that time: a store may be what has failed, and hold up whoever asks it.
    func leaveAfterFailure(_ cause: MPIError, within limit: Duration) {
        failed(cause)
        let deadline = ContinuousClock.now + limit
        let done = Promise<Bool>()
        let thread = try? DedicatedThread { [self] in
            try? leave(deadline: deadline)
            done.fulfil(true)
        }
        if thread != nil { _ = done.wait(until: deadline) }
    }
}

/// Which pairs of ranks have a relayed link: what each rank saw when the job began. Links made later
/// count as direct.
struct LinkKinds: Sendable {
    private let size: Int
    private let rowByteCount: Int
    /// A row of bits per rank, by world ranks.
    private let bits: [UInt8]
    private let isEmpty: Bool

    init(gatheredOver world: ServerlessCommunicator) throws(MPIError) {
        size = world.size
        rowByteCount = (size + 7) / 8
        var row = [UInt8](repeating: 0, count: rowByteCount)
        for (peer, path) in world.paths.enumerated() where path?.candidate == .relayed {
            row[peer / 8] |= 1 << UInt8(peer % 8)
        }
        bits = try world.allgather(row.span)
        isEmpty = bits.allSatisfy { $0 == 0 }
    }

    func isRelayed(rank: Int, _ other: Int) -> Bool {
        if isEmpty { return false }
        return bits[rank * rowByteCount + other / 8] & 1 << UInt8(other % 8) != 0
    }

    func hasRelayed(among group: [Int]) -> Bool {
        if isEmpty { return false }
        return group.contains { rank in group.contains { isRelayed(rank: rank, $0) } }
    }
}
