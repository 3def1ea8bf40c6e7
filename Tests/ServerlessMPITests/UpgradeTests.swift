import Testing

@testable import ServerlessMPI

/// Relayed links that look for a direct path, on fake time and without sockets.
@Suite struct UpgradeTests {
    private static let host = MeshMachineTests.candidate(1)
    private static let relay = SocketAddress(ip: .v4(0x0a00_00ff), port: 1)

    /// Rank `rank` of two, linked through the relay by the connection it returns.
    private func relayed(_ rank: Int) throws -> (MeshMachineTests.Bench, link: Int) {
        var bench = MeshMachineTests.Bench(rank: rank, [Self.host], relay: Self.relay)
        bench.breaks(1, .hopeless("no route to host"))
        let token = try #require(RelayToken([UInt8](repeating: 1, count: RelayToken.byteCount)))
        bench.machine.relayOffered(to: 1 - rank, token, now: bench.now)
        let link = try #require(
            bench.actions().compactMap {
                if case .dialRelayed(let connection, _, _) = $0 { connection } else { nil }
            }.first)
        bench.machine.authenticated(link)
        bench.agree(link)
        #expect(bench.actions().contains(.adopt(link, peer: 1 - rank)))
        return (bench, link)
    }

    @Test(arguments: [0, 1])
    func `both dial, and what is authenticated takes the relayed link's place`(rank: Int) throws {
        var (bench, link) = try relayed(rank)
        bench.machine.upgrade(1 - rank, now: bench.now)
        #expect(
            bench.actions() == [
                .dial(link + 1, peer: 1 - rank, Self.host),
                .dialAfresh(link + 2, peer: 1 - rank, Self.host),
            ])
        // Meanwhile the job is complete and nobody is missed.
        #expect(bench.machine.isComplete && bench.machine.isLinked(1 - rank))
        bench.machine.authenticated(link + 1)
        #expect(bench.machine.isLinked(1 - rank))
        bench.agree(link + 1)
        let actions = bench.actions()
        #expect(actions.contains(.adopt(link + 1, peer: 1 - rank)))
        #expect(actions.contains(.close(link + 2)))
        #expect(bench.machine.isLinked(1 - rank) && bench.machine.nextDeadline == nil)
    }

    @Test(arguments: [0, 1])
    func `without a path the link stays, and everything else is closed in time`(rank: Int) throws {
        var (bench, link) = try relayed(rank)
        bench.machine.upgrade(1 - rank, now: bench.now)
        var open: Set<Int> = []
        func note(_ actions: [MeshMachine.Action]) {
            for action in actions {
                switch action {
                case .dial(let number, _, _), .dialAfresh(let number, _, _): open.insert(number)
                case .close(let number): open.remove(number)
                default: Issue.record("\(action) for a link that stands")
                }
            }
        }
        note(bench.actions())
        for _ in 0..<100 {
            if let refused = open.min() {
                open.remove(refused)
                bench.breaks(refused, .refused("no answer"))
            }
            note(bench.pass(MeshMachine.upgradeWindow / 80))
        }
        #expect(open.isEmpty && bench.machine.isLinked(1 - rank) && bench.machine.isComplete)
        #expect(bench.machine.nextDeadline == nil && link > 0)
        // The next time is like the first.
        bench.machine.upgrade(1 - rank, now: bench.now)
        #expect(bench.actions().count == 2)
    }

    @Test(arguments: [0, 1])
    func `a relayed link that breaks meanwhile is wanted like any other`(rank: Int) throws {
        var (bench, link) = try relayed(rank)
        bench.machine.upgrade(1 - rank, now: bench.now)
        _ = bench.actions()
        bench.machine.unlink(1 - rank, now: bench.now)
        #expect(!bench.machine.isComplete)
        // What the search has begun may still become the link.
        bench.machine.authenticated(link + 2)
        bench.agree(link + 2)
        #expect(bench.actions().contains(.adopt(link + 2, peer: 1 - rank)))
        #expect(bench.machine.isComplete && bench.machine.nextDeadline == nil)
    }

    @Test func `a nomination on its way is waited for beyond the end, but not for ever`() throws {
        var (bench, link) = try relayed(1)
        bench.machine.upgrade(0, now: bench.now)
        _ = bench.actions()
        bench.machine.authenticated(link + 1)
        #expect(!bench.pass(MeshMachine.upgradeWindow).contains(.close(link + 1)))
        #expect(bench.pass(MeshMachine.upgradePatience).contains(.close(link + 1)))
        #expect(bench.machine.isLinked(0) && bench.machine.nextDeadline == nil)
    }

    @Test func `who has no link, or looks already, does not begin`() {
        var bench = MeshMachineTests.Bench(rank: 0, [Self.host])
        _ = bench.actions()
        bench.machine.upgrade(1, now: bench.now)
        bench.machine.upgrade(7, now: bench.now)
        #expect(bench.actions().isEmpty)
    }

    @Test func `attempts come ever more rarely`() {
        let start = ContinuousClock.now
        var schedule = UpgradeSchedule()
        schedule.add(3, now: start)
        schedule.add(2, now: start)
        var times: [Int] = []
        for second in 0..<2000 {
            let due = schedule.takeDue(start + .seconds(second))
            #expect(due.isEmpty || due == [2, 3])
            if !due.isEmpty { times.append(second) }
        }
        #expect(times.prefix(5) == [5, 15, 35, 75, 155])
        let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
        #expect(gaps.max() == 300)
        schedule.remove(2)
        schedule.remove(3)
        #expect(schedule.takeDue(start + .seconds(10_000)).isEmpty)
    }
}

extension MeshMachineTests.Bench {
    /// Both ends agree on this connection.
    fileprivate mutating func agree(_ connection: Int) {
        if machine.rank == 0 {
            machine.nominationSent(connection)
        } else {
            machine.nominationReceived(connection)
        }
    }
}
