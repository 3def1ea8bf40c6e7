import MessagePassing
import Testing

@testable import ServerlessMPI

/// What the server does when a rank needs a link that was not made at the start, and what a rank's
/// choice of addresses makes of it: on fake time, without sockets.
@Suite struct SignalTests {
    /// A running job of `size`; rank r speaks on connection r.
    private func runningJob(_ size: Int) throws -> JobTableTests.Bench {
        var bench = JobTableTests.Bench()
        for rank in 0..<size {
            try bench.say(.join(JobTableTests.request(rank, size: size)), on: UInt64(rank))
        }
        bench.inbox = [:]
        return bench
    }

    @Test func `a signal reaches the rank it is for, and nobody else`() throws {
        var bench = try runningJob(4)
        try bench.say(.connect(peer: 3), on: 1)
        #expect(bench.messages(3) == [.connect(from: 1)])
        for rank in UInt64(0)...2 { #expect(bench.messages(rank).isEmpty, "rank \(rank)") }
    }

    @Test func `who asks for a rank that has left is told so, and the job goes on`() throws {
        var bench = try runningJob(3)
        try bench.say(.bye, on: 2)
        try bench.say(.connect(peer: 2), on: 0)
        #expect(bench.messages(0) == [.departed(peer: 2)])
        #expect(!bench.isClosed(0) && bench.failure(1) == nil)
    }

    @Test(arguments: [0, 2, 4095])
    func `who asks for itself or for a rank there is not is cut off`(_ peer: Int) throws {
        var bench = try runningJob(2)
        try bench.say(.connect(peer: peer), on: 0)
        #expect(bench.isClosed(0))
        #expect(bench.failure(1)?.peer == 0)
    }

    @Test func `who asks before all are there is cut off`() throws {
        var bench = JobTableTests.Bench()
        try bench.say(.join(JobTableTests.request(0)), on: 0)
        try bench.say(.connect(peer: 1), on: 0)
        #expect(bench.isClosed(0))
    }

    @Test func `nobody can make the server send without bound`() throws {
        var bench = try runningJob(3)
        let most = 6 + Job.signalBurst
        for count in 1...most + 1 {
            try bench.say(.connect(peer: 1), on: 0)
            #expect(bench.isClosed(0) == (count > most), "\(count)")
        }
        #expect(bench.messages(1).count { $0 == .connect(from: 0) } == most)
        #expect(bench.failure(1)?.reason.contains("again and again") == true)
    }

    @Test func `signals of a job that has failed are forgotten`() throws {
        var bench = try runningJob(3)
        try bench.end(2)
        try bench.passReturnTimeout(heard: [0, 1])
        #expect(bench.failure(1)?.peer == 2)
        bench.inbox = [:]
        try bench.say(.connect(peer: 1), on: 0)
        #expect(bench.messages(1).isEmpty && !bench.isClosed(0))
    }
}

/// MeshMachine where links are made when they are needed.
@Suite struct OnDemandTests {
    private var now = ContinuousClock.now

    private func machine(rank: Int, size: Int, isSameHost: Bool = false) -> MeshMachine {
        let plans = (0..<size).map { peer in
            peer == rank
                ? nil
                : PeerPlan(
                    candidates: [MeshMachineTests.candidate(UInt32(peer))], isSameHost: isSameHost)
        }
        return MeshMachine(
            rank: rank, plans: plans, roundTripTime: .milliseconds(10), isOnDemand: true, seed: 1,
            now: now)
    }

    @Test func `nobody is dialled until a link is needed`() {
        var machine = machine(rank: 0, size: 5)
        machine.advance(to: now + .seconds(100))
        #expect(machine.takeActions().isEmpty)
        #expect(machine.isComplete && machine.nextDeadline == nil)
        machine.need(3, now: now)
        #expect(machine.takeActions() == [.dial(1, peer: 3, MeshMachineTests.candidate(3))])
        #expect(!machine.isComplete)
        #expect(machine.missingPeer()?.peer == 3)
        machine.need(3, now: now)
        machine.signalled(3, now: now)
        #expect(machine.takeActions().isEmpty, "one need is enough")
    }

    @Test func `a signal makes this side dial as well, but the link is the other's need`() {
        var machine = machine(rank: 4, size: 5)
        machine.signalled(2, now: now)
        #expect(machine.takeActions() == [.dial(1, peer: 2, MeshMachineTests.candidate(2))])
        #expect(machine.isComplete, "nothing here waits for it")
        machine.broke(1, .hopeless("no route"), now: now)
        #expect(machine.hopelessPeer(now: now + .seconds(60)) == nil)
        #expect(machine.nextDeadline == nil)
        machine.need(2, now: now)
        #expect(!machine.isComplete)
        #expect(machine.hopelessPeer(now: now + .seconds(60))?.attempts.first?.cause == "no route")
    }

    @Test func `a peer that only said it was dialling can be given up, one needed here cannot`() {
        var machine = machine(rank: 0, size: 3)
        machine.signalled(1, now: now)
        machine.need(2, now: now)
        _ = machine.takeActions()
        machine.broke(1, .refused("reset"), now: now)
        machine.broke(2, .refused("reset"), now: now)
        machine.giveUp(1)
        machine.giveUp(2)
        machine.advance(to: now + .seconds(1))
        #expect(machine.takeActions() == [.dial(3, peer: 2, MeshMachineTests.candidate(2))])
        #expect(machine.missingNeededPeer(1) == nil && machine.missingNeededPeer(2)?.peer == 2)
        machine.signalled(1, now: now + .seconds(1))
        #expect(machine.takeActions() == [.dial(4, peer: 1, MeshMachineTests.candidate(1))])
    }

    @Test func `a need of this rank's own begins anew what an older one has given up`() {
        var machine = machine(rank: 1, size: 3)
        machine.signalled(0, now: now)
        machine.broke(1, .hopeless("no route"), now: now)
        machine.giveUp(0)
        _ = machine.takeActions()
        let later = now + .seconds(60)
        machine.need(0, now: later)
        #expect(machine.takeActions() == [.dial(2, peer: 0, MeshMachineTests.candidate(0))])
        #expect(machine.hopelessPeer(now: later + .seconds(20)) == nil, "it is being dialled")
        machine.broke(2, .hopeless("no route"), now: later)
        let end = later + MeshMachine.hopelessGrace
        #expect(machine.hopelessPeer(now: end - .milliseconds(1)) == nil)
        #expect(machine.hopelessPeer(now: end)?.peer == 0)
        // The same while the peer's need stands.
        machine.signalled(2, now: now)
        machine.broke(3, .hopeless("no route"), now: now)
        machine.need(2, now: later)
        machine.giveUp(0)
        #expect(machine.missingNeededPeer(2) != nil)
        #expect(machine.nextDeadline == end)
    }

    @Test func `a relay that an older need has led to is not taken for a direct path`() {
        let plan = PeerPlan(candidates: [MeshMachineTests.candidate(1)], isSameHost: false)
        var machine = MeshMachine(
            rank: 0, plans: [nil, plan], roundTripTime: .milliseconds(10),
            relayAddress: RelayMachineTests.server, isOnDemand: true, seed: 1, now: now)
        machine.relayOffered(to: 1, RelayMachineTests.token, now: now)
        machine.advance(to: now)
        #expect(
            machine.takeActions() == [
                .dialRelayed(1, peer: 1, RelayMachineTests.token),
                .dial(2, peer: 1, MeshMachineTests.candidate(1)),
            ])
        machine.giveUp(1)
        machine.need(1, now: now)
        machine.connected(1)
        machine.connected(2)
        machine.authenticated(1)
        #expect(machine.takeActions().isEmpty, "the direct one is a moment late")
        machine.authenticated(2)
        #expect(machine.takeActions() == [.nominate(2)])
    }

    @Test func `an idle peer's own connection becomes the link`() {
        var machine = machine(rank: 0, size: 3)
        let accepted = machine.accepted()
        let isWanted = machine.identified(accepted, as: 2)
        #expect(isWanted)
        machine.authenticated(accepted)
        #expect(machine.takeActions() == [.nominate(accepted)])
        machine.nominationSent(accepted)
        #expect(machine.takeActions() == [.adopt(accepted, peer: 2)])
        #expect(machine.isLinked(2) && !machine.isLinked(1))
        machine.need(2, now: now)
        #expect(machine.takeActions().isEmpty, "there is a link already")
        #expect(machine.isComplete)
    }

    @Test func `neighbours needed later meet on loopback too`() {
        var machine = machine(rank: 1, size: 3, isSameHost: true)
        machine.signalled(0, now: now)
        #expect(machine.takeActions().isEmpty, "the lower rank dials")
        #expect(machine.nextDeadline == now + MeshMachine.fallbackDelay)
    }
}
