// The cost model: units, orderings that must hold whatever the numbers, published figures, and the
// counts against what ranks really send.

import MessagePassing
import Testing
import ThreadMPI

@Suite struct CostModelTests {
    private let sizes = [1, 2, 3, 4, 8, 17, 64, 1024]
    private let lengths = [0, 1, 1000, 64 << 10, 1 << 20, 1 << 30]

    private var operations: [MessageOperation] {
        MessageOperation.names.compactMap { MessageOperation(named: $0) }
    }

    @Test func `a send takes one latency and its bytes, in seconds and dollars`() {
        let costs = ChannelCosts(
            channel: .direct, latencySeconds: 0.5, bytesPerSecond: 100, origin: "test")
        let model = CostModel(
            size: 2, channels: [costs], gigabytesPerRank: 2, dollarsPerGigabyteSecond: 3)
        let estimate = model.estimate(.send, byteCount: 200, on: costs)
        #expect(estimate.seconds == 2.5)
        // Two ranks, two gigabytes each, three dollars per gigabyte and second.
        #expect(estimate.dollars == 2.5 * 2 * 2 * 3)
        #expect(estimate.requestDollars == 0)
    }

    @Test func `a server and requests are paid for`() {
        let costs = ChannelCosts(
            channel: .s3, latencySeconds: 1, bytesPerSecond: 1e9, pollingSeconds: 0.25,
            dollarsPerWrite: 7, dollarsPerRead: 5, serverDollarsPerHour: 3600, origin: "test")
        let model = CostModel(size: 2, channels: [costs], dollarsPerGigabyteSecond: 0)
        let estimate = model.estimate(.send, byteCount: 0, on: costs)
        #expect(estimate.seconds == 2.25)
        #expect(estimate.requestDollars == 12)
        #expect(estimate.serverDollars == 2.25)
        #expect(estimate.dollars == 14.25)
    }

    @Test func `an all-to-all through S3 costs N(N-1) writes, as published`() {
        let s3 = ChannelCosts.aws.first { $0.channel == .s3 }!
        for (size, dollars) in [(64, 0.022), (1024, 5.66)] {
            let writes = CostModel(size: size).estimate(
                .collective(.alltoall), byteCount: 0, on: s3
            ).writes
            #expect(abs(writes * 5.4e-6 / dollars - 1) < 0.02, "\(size) ranks")
        }
    }

    @Test func `time and price never fall as bytes or ranks grow`() {
        for operation in operations {
            for costs in ChannelCosts.aws {
                for size in sizes {
                    let model = CostModel(size: size)
                    let estimates = lengths.map {
                        model.estimate(operation, byteCount: $0, on: costs)
                    }
                    for (less, more) in zip(estimates, estimates.dropFirst())
                    // Where another algorithm takes over, the time may drop a little.
                    where
                        !(operation == .collective(.bcast)
                        || operation == .collective(.reduce)
                        || operation == .collective(.allreduce)
                        || operation == .collective(.allgather)
                        || operation == .collective(.split))
                    {
                        #expect(less.seconds <= more.seconds, "\(operation), \(costs.channel)")
                        #expect(less.dollars <= more.dollars, "\(operation), \(costs.channel)")
                    }
                    for estimate in estimates {
                        #expect(estimate.seconds >= 0 && estimate.seconds.isFinite)
                        let parts =
                            estimate.latencySeconds + estimate.transferSeconds
                            + estimate.pollingSeconds + estimate.combiningSeconds
                        #expect(abs(parts - estimate.seconds) <= 1e-12 * (1 + parts))
                    }
                }
            }
        }
    }

    @Test func `alone, nothing costs anything`() {
        let model = CostModel(size: 1)
        for operation in operations {
            for estimate in model.ranking(operation, byteCount: 1 << 20, policy: .fastest) {
                #expect(estimate.seconds == 0 && estimate.dollars == 0, "\(operation)")
                #expect(estimate.writes == 0 && estimate.reads == 0)
            }
        }
    }

    @Test func `direct is fastest on AWS, a relay before Redis for short messages, S3 is last`() {
        for size in [2, 8] {
            let model = CostModel(size: size)
            for operation: MessageOperation in [
                .send, .collective(.allgather), .collective(.reduce),
            ] {
                let order = model.ranking(operation, byteCount: 1000, policy: .fastest)
                    .map(\.channel)
                #expect(order.first == .direct && order.last == .s3, "\(operation): \(order)")
            }
            #expect(
                model.ranking(.send, byteCount: 1000, policy: .fastest).map(\.channel)
                    == [.direct, .relayed, .redis, .s3])
        }
    }

    @Test func `a store wins a long broadcast over a slow relay to many ranks`() {
        let channels = ChannelCosts.aws.filter { $0.channel == .relayed || $0.channel == .s3 }
        let model = CostModel(size: 256, channels: channels)
        #expect(
            model.choose(.collective(.bcast), byteCount: 100 << 20, policy: .fastest) == .s3)
        #expect(model.choose(.collective(.bcast), byteCount: 8, policy: .fastest) == .relayed)
    }

    @Test func `what is fastest need not be cheapest`() {
        let quick = ChannelCosts(
            channel: .redis, latencySeconds: 1e-3, bytesPerSecond: 1e9,
            serverDollarsPerHour: 1e6, origin: "test")
        let slow = ChannelCosts(
            channel: .s3, latencySeconds: 1e-2, bytesPerSecond: 1e8, dollarsPerWrite: 1e-6,
            origin: "test")
        let model = CostModel(size: 2, channels: [slow, quick])
        #expect(model.choose(.send, byteCount: 1000, policy: .fastest) == .redis)
        #expect(model.choose(.send, byteCount: 1000, policy: .cheapest) == .s3)
        #expect(
            CostModel(size: 2, channels: []).choose(.send, byteCount: 1, policy: .fastest) == nil)
    }

    @Test func `the explanation names the choice, every channel, the origin and the reason`() {
        let lines = CostModel(size: 4).explain(
            .collective(.allreduce), byteCount: 1 << 20, policy: .fastest)
        #expect(lines[0] == "allreduce of 1 MiB among 4 ranks, fastest: direct (modelled)")
        for channel in Channel.allCases {
            #expect(lines.contains { $0.hasPrefix("  \(channel) ") && $0.contains("AWS default") })
        }
        #expect(lines.last?.contains("direct is ") == true)
        #expect(lines.last?.contains("faster than ") == true)
    }

    @Test(arguments: [2, 3, 4, 5, 8])
    func `the bytes of the busiest rank are those that ranks really send`(size: Int) throws {
        let count = 3000
        let programs: [(MessageOperation, @Sendable (any Communicator) throws -> Void)] = [
            (
                .collective(.gather),
                { world in
                    let part = [UInt8](repeating: 1, count: count)
                    var whole = [UInt8](
                        repeating: 0, count: world.rank == 0 ? count * world.size : 0)
                    try world.gather(part.span, into: whole.mutableSpan, root: 0)
                }
            ),
            (
                .collective(.allgather),
                { world in _ = try world.allgather([UInt8](repeating: 1, count: count).span) }
            ),
            (
                .collective(.alltoall),
                { world in
                    _ = try world.alltoall([UInt8](repeating: 1, count: count * world.size).span)
                }
            ),
        ]
        let costs = ChannelCosts(
            channel: .direct, latencySeconds: 0, bytesPerSecond: 1, origin: "one byte per second")
        for (operation, program) in programs {
            let traffic = try ThreadMPI.run(size: size) { try program($0) }
            let modelled = CostModel(size: size).estimate(operation, byteCount: count, on: costs)
            // A gather's busiest rank receives what all the others send.
            let busiest =
                operation == .collective(.gather)
                ? traffic.bytes.reduce(0, +) : traffic.bytes.max() ?? 0
            #expect(Int(modelled.transferSeconds.rounded()) == busiest, "\(operation)")
        }
    }
}
