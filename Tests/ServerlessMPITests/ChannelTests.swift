// Channels: what a plan says, which channel an operation takes by it and why, and jobs that use
// several: what they send where, what is left in a store, and what everybody hears when one is gone.

import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

@Suite("A plan of channels")
struct ChannelPlanTests {
    @Test(
        "reads back as it was, in a join URL, too",
        arguments: [
            "fastest:direct,relayed,redis,s3", "cheapest:s3", "sizes:direct@0,redis@1024,s3@70000",
        ])
    func roundTrip(_ text: String) throws {
        let plan = try ChannelPlan(parsing: text)
        #expect("\(plan)" == text)
        let url = try JoinURL(parsing: "rendezvous://h:1/job?size=2&channels=\(text)")
        #expect(url.channels == plan)
        #expect(try JoinURL(parsing: url.description) == url)
    }

    @Test(
        "that makes no sense is refused in words",
        arguments: [
            ("", "missing"), ("fastest", "missing"), ("quickest:direct", "the rule is"),
            ("fastest:", "the channels are"), ("fastest:tcp", "the channels are"),
            ("fastest:direct,direct", "twice"), ("fastest:redis@10", "CHANNEL@BYTES"),
            ("sizes:redis", "CHANNEL@BYTES"), ("sizes:redis@-1", "a number of bytes"),
            ("sizes:redis@1@2", "CHANNEL@BYTES"),
        ])
    func refused(_ text: String, words: String) {
        let error = #expect(throws: MPIError.self) { try ChannelPlan(parsing: text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.reason.contains(words) == true, "\(text): \(error?.reason ?? "")")
    }

    @Test("gives sizes to channels, and what is empty or has no store to the link")
    func sizes() throws {
        let plan = try ChannelPlan(parsing: "sizes:direct@0,redis@100,s3@1000")
        let router = ChannelRouter(plan, size: 4)
        let expected: [(Int, Channel)] = [
            (0, .direct), (99, .direct), (100, .redis), (999, .redis), (1000, .s3), (1 << 40, .s3),
        ]
        for (byteCount, channel) in expected {
            #expect(router.route(.send, byteCount: byteCount, link: .direct) == channel)
        }
        // The relayed link is not among the channels, and no store takes so little.
        #expect(router.route(.send, byteCount: 10, link: .relayed) == .relayed)
        #expect(ChannelRouter(plan, size: 1).route(.send, byteCount: 500, link: .direct) == .direct)
    }

    @Test("asks the cost model, whose choice it explains", arguments: CostPolicy.allCases)
    func model(_ policy: CostPolicy) {
        let plan = ChannelPlan(
            rule: .model(policy), entries: Channel.allCases.map { ChannelPlan.Entry($0) })
        let router = ChannelRouter(plan, size: 8)
        for link in [Channel.direct, .relayed] {
            let model = CostModel(
                size: 8,
                channels: ChannelCosts.aws.filter { $0.channel.isStorage || $0.channel == link })
            for operation in [MessageOperation.send, .collective(.bcast), .collective(.alltoall)] {
                for byteCount in [1, 1 << 10, 1 << 20, 1 << 30] {
                    let chosen = router.route(operation, byteCount: byteCount, link: link)
                    #expect(
                        chosen == model.choose(operation, byteCount: byteCount, policy: policy))
                    let lines = router.explain(operation, byteCount: byteCount, link: link)
                    #expect(lines.first == "\(operation) of \(byteCount) B takes \(chosen)")
                    #expect(lines.contains { $0.contains("\(policy.rawValue): \(chosen)") })
                }
            }
        }
    }
}

@Suite("Measured costs")
struct MeasuredCostsTests {
    private func withFile<Result>(
        _ text: String, _ body: (String) throws -> Result
    ) throws -> Result {
        var path = Array("/tmp/cost-model-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        try #require(descriptor >= 0)
        defer { unlink(&path) }
        _ = Array(text.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        let name = path.dropLast().map { UInt8(bitPattern: $0) }
        return try body(String(decoding: name, as: UTF8.self))
    }

    @Test("replace the defaults of the channels that were measured, and change the choice")
    func replace() throws {
        // A link that is slower than any store.
        var slow = ChannelCosts.aws[0]
        slow.latencySeconds = 10
        slow.origin = "measured: here"
        let model = CostModelFile(channels: [slow], combinedBytesPerSecond: 7e9)
        let costs = try withFile("\(model.json)") {
            try MeasuredCosts(atRank0: $0, over: SelfCommunicator())
        }
        #expect(costs.channels.first { $0.channel == .direct } == slow)
        #expect(costs.channels.dropFirst() == ChannelCosts.aws.dropFirst())
        #expect(costs.combinedBytesPerSecond == 7e9)
        let plan = try ChannelPlan(parsing: "fastest:direct,redis")
        func choice(_ costs: MeasuredCosts) -> Channel {
            ChannelRouter(plan, size: 4, costs: costs).route(.send, byteCount: 8, link: .direct)
        }
        #expect(choice(costs) == .redis && choice(MeasuredCosts()) == .direct)
    }

    @Test("without a file are the defaults")
    func none() throws {
        #expect(try MeasuredCosts(atRank0: nil, over: SelfCommunicator()) == MeasuredCosts())
    }

    @Test("from a file that is no model are refused by the variable's name")
    func refused() throws {
        for text in ["", "{}", "{\"record\":\"cost-model\"}"] {
            let error = try withFile(text) { path in
                #expect(throws: MPIError.self) {
                    try MeasuredCosts(atRank0: path, over: SelfCommunicator())
                }
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.reason.contains("SERVERLESS_MPI_COST_MODEL") == true)
        }
        #expect(throws: MPIError.self) {
            try MeasuredCosts(atRank0: "/nowhere/model.json", over: SelfCommunicator())
        }
    }
}

@Suite(
    "A job over links and a store", .serialized,
    .enabled(if: Store.redis.program != nil, Store.missing))
struct ChannelJobTests {
    private func run(
        size: Int, _ server: StoreServer, _ plan: String, timeout: Duration = .seconds(60),
        _ body: @escaping @Sendable (MultichannelCommunicator) throws -> Void
    ) throws -> [String?] {
        var job = try JoinWorld(size: size, job: "channels", encryption: .none)
        defer { job.server.stop() }
        job.url.channels = try ChannelPlan(parsing: plan)
        job.url.timeout = timeout
        let configurations = (0..<size).map { rank in
            var configuration = job.configuration(rank)
            configuration.stores = [.redis: .redis(host: "127.0.0.1", port: server.port)]
            return configuration
        }
        let lines = ResultSlots<String>(size)
        let threads = configurations.indices.map { rank in
            RankThread {
                do {
                    _ = try runRank(of: configurations[rank]) { world in
                        let world = try #require(world as? MultichannelCommunicator)
                        try body(world)
                    }
                } catch {
                    lines[rank] = "\(error)"
                }
            }
        }
        for thread in threads { thread.join() }
        return (0..<size).map { lines[$0] }
    }

    @Test("sends each operation where its plan says, says so, and leaves nothing")
    func routes() throws {
        let server = try StoreServer(.redis)
        let lines = try run(size: 3, server, "sizes:direct@0,redis@1000") { world in
            let short = [UInt8](repeating: 1, count: 999)
            let long = [UInt8](repeating: 2, count: 70_000)
            let next = (world.rank + 1) % 3
            let before = (world.rank + 2) % 3
            // The long one is announced first, although its payload takes longer.
            try world.send(long.span, to: .rank(next), tag: 4)
            try world.send(short.span, to: .rank(next), tag: 4)
            let status = try world.probe(from: .any, tag: .any)
            #expect(status.byteCount == 70_000 && status.source == before)
            #expect(try world.recv(UInt8.self, from: .any, tag: .any) == long)
            #expect(try world.recv(UInt8.self, from: .rank(before), tag: 4) == short)
            #expect(world.channelTraffic(over: .redis).messages == 1)
            #expect(world.channelTraffic(over: .redis).byteCount == 70_000)
            #expect(try world.allreduce([UInt8](repeating: 3, count: 1000).span, .sum).first == 9)
            #expect(world.channelTraffic(over: .redis).collectives == 1)
            _ = try world.allreduce(world.rank, .sum)
            #expect(world.channelTraffic(over: .redis).collectives == 1)
            #expect(world.storeTraffic(of: .redis).bytesWritten >= 71_000)
            #expect(
                world.explain(.collective(.allreduce), byteCount: 1000)
                    == [
                        "allreduce of 1000 B takes redis",
                        "  as sizes:direct@0,redis@1000 says, between ranks with a direct link",
                    ])
            #expect(
                world.explain(.collective(.barrier), byteCount: 0).first == "barrier takes direct")
            #expect(
                world.explain(.send, byteCount: 10, to: next).first == "send of 10 B takes direct")
        }
        #expect(lines == [nil, nil, nil])
        #expect(try server.keys() == [])
    }

    @Test("truncates a payload in a store, and leaves none of it", arguments: [0, 10, 9 << 20])
    func truncates(capacity: Int) throws {
        let server = try StoreServer(.redis)
        let lines = try run(size: 2, server, "sizes:redis@1") { world in
            let sent = (0..<(17 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            if world.rank == 0 {
                try world.send(sent.span, to: 1)
                return try world.barrier()
            }
            var room = [UInt8](repeating: 0, count: capacity + 1)
            let error = #expect(throws: MPIError.self) {
                try room.withUnsafeMutableBytes { bytes in
                    let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<capacity])
                    _ = try world.wait(
                        try world.irecv(into: part, from: 0, tag: 0, context: .pointToPoint))
                }
            }
            #expect(error?.code == .truncated && error?.actualByteCount == sent.count)
            #expect(Array(room.dropLast()) == Array(sent.prefix(capacity)) && room.last == 0)
            try world.barrier()
        }
        #expect(lines == [nil, nil])
        #expect(try server.keys() == [])
    }

    @Test("fails on all ranks with one cause when its store is gone")
    func storeDies() throws {
        let server = try StoreServer(.redis)
        let lines = try run(size: 3, server, "sizes:direct@0,redis@100") { world in
            let bytes = [UInt8](repeating: 1, count: 1000)
            try world.barrier()
            if world.rank == 0 { server.end() }
            while true { _ = try world.alltoall((bytes + bytes + bytes).span) }
        }
        let causes = Set(lines.map { $0?.replacing("stopped, as the job failed: ", with: "") })
        #expect(
            causes.count == 1 && lines.allSatisfy { $0?.contains("redis") ?? false }, "\(lines)")
    }

    @Test("is heard of in a store that a rank waits in")
    func failsInStore() throws {
        let server = try StoreServer(.redis)
        let start = ContinuousClock.now
        let lines = try run(size: 3, server, "sizes:direct@0,redis@100") { world in
            let bytes = [UInt8](repeating: 1, count: 1000)
            if world.rank == 2 {
                // It comes to the meeting before the collective, and not to the collective.
                let call = try world.beginCollective(.allreduce, root: nil)
                try world.direct.run(.barrier, as: call)
                usleep(300_000)
                throw MPIError(.programFailed, operation: "test", reason: "enough", peer: 2)
            }
            _ = try world.allreduce(bytes.span, .sum)
        }
        #expect(lines.allSatisfy { $0?.contains("enough") ?? false }, "\(lines)")
        // Not at the timeout of 60 s.
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    @Test("is refused where ranks were told of different channels")
    func disagreement() throws {
        let server = try StoreServer(.redis)
        let job = try JoinWorld(size: 2, job: "channels", encryption: .none)
        defer { job.server.stop() }
        let lines = ResultSlots<String>(2)
        let threads = (0..<2).map { rank in
            RankThread {
                var configuration = job.configuration(rank)
                configuration.url.channels = try? ChannelPlan(
                    parsing: "sizes:direct@0,redis@\(100 + rank)")
                configuration.stores = [.redis: .redis(host: "127.0.0.1", port: server.port)]
                do {
                    _ = try runRank(of: configuration) { _ in 0 }
                } catch {
                    lines[rank] = "\(error)"
                }
            }
        }
        for thread in threads { thread.join() }
        for rank in 0..<2 {
            #expect(lines[rank]?.contains("was told of other channels") == true)
        }
    }
}
