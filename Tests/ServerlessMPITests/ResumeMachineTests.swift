import Testing

@testable import ServerlessMPI

/// Links that are made again, on fake time and without sockets.
@Suite struct ResumeMachineTests {
    private static let host = MeshMachineTests.candidate(1)

    /// Rank `rank` of two, linked by connection 1.
    private func linked(_ rank: Int, relay: SocketAddress? = nil) -> MeshMachineTests.Bench {
        var bench = MeshMachineTests.Bench(rank: rank, [Self.host], relay: relay)
        bench.machine.authenticated(1)
        if rank == 0 {
            bench.machine.nominationSent(1)
        } else {
            bench.machine.nominationReceived(1)
        }
        _ = bench.machine.takeActions()
        return bench
    }

    @Test(arguments: [0, 1])
    func `a broken link is dialled from the shared port and from a fresh one`(rank: Int) {
        var bench = linked(rank)
        bench.machine.unlink(1 - rank, now: bench.now)
        #expect(
            bench.actions() == [
                .dial(2, peer: 1 - rank, Self.host), .dialAfresh(3, peer: 1 - rank, Self.host),
            ])
        #expect(!bench.machine.isComplete)
        bench.machine.authenticated(3)
        if rank == 0 {
            #expect(bench.actions() == [.nominate(3)])
            bench.machine.nominationSent(3)
        } else {
            bench.machine.nominationReceived(3)
        }
        #expect(bench.actions() == [.adopt(3, peer: 1 - rank), .close(2)])
        #expect(bench.machine.isComplete && bench.machine.nextDeadline == nil)
        // And once more, with no more attempts than before.
        bench.machine.unlink(1 - rank, now: bench.now)
        #expect(bench.actions().count == 2)
    }

    @Test func `a relay is asked for again`() {
        var bench = linked(0, relay: SocketAddress(ip: .v4(0x0a00_00ff), port: 1))
        bench.machine.unlink(1, now: bench.now)
        _ = bench.actions()
        #expect(bench.pass(.seconds(1)).contains(.requestRelay(peer: 1)))
    }

    @Test(arguments: [0, 1])
    func `a hello alone displaces no link`(rank: Int) {
        var bench = linked(rank)
        let newer = bench.machine.accepted()
        let isWanted = bench.machine.identified(newer, as: 1 - rank, isNewer: true)
        #expect(isWanted && bench.machine.isLinked(1 - rank) && bench.actions().isEmpty)
        bench.breaks(newer, .refused("closed by the other end"))
        #expect(bench.machine.isLinked(1 - rank) && bench.actions().isEmpty)
        // With the proof it is another matter.
        let proven = bench.machine.accepted()
        _ = bench.machine.identified(proven, as: 1 - rank, isNewer: true)
        bench.machine.authenticated(proven)
        if rank == 0 {
            #expect(bench.actions() == [.nominate(proven)])
            bench.machine.nominationSent(proven)
        } else {
            bench.machine.nominationReceived(proven)
        }
        #expect(bench.actions() == [.adopt(proven, peer: 1 - rank)])
    }

    @Test func `an older connection does not displace a newer one`() {
        var bench = linked(0)
        let late = bench.machine.identified(bench.machine.accepted(), as: 1, isNewer: false)
        #expect(!late && bench.machine.isLinked(1))
    }

    @Test func `who has given a peer up dials it no more`() {
        var bench = linked(0)
        bench.machine.unlink(1, now: bench.now)
        _ = bench.actions()
        bench.machine.abandonNeed(1)
        #expect(bench.actions() == [.close(2), .close(3)])
        #expect(bench.machine.isComplete && bench.machine.nextDeadline == nil)
        #expect(bench.pass(.seconds(5)).isEmpty)
    }

    @Test func `a refusal counts where the link led, and nowhere else`() {
        var bench = linked(1)
        bench.machine.unlink(0, now: bench.now)
        _ = bench.actions()
        let ip = Self.host.address.ip
        #expect(!bench.machine.isRefused(0, at: ip, with: "refused"))
        bench.breaks(2, .refused("refused"))
        #expect(bench.machine.isRefused(0, at: ip, with: "refused"))
        #expect(!bench.machine.isRefused(0, at: .loopback4, with: "refused"))
    }
}
