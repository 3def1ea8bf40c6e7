import Testing

@testable import ServerlessMPI

/// Every kind of NAT against every other, on a virtual network and fake time: which path is taken
/// in each cell, and that it always ends. This is the specification of traversal.
@Suite struct TraversalGridTests {
    /// Where a rank may sit.
    enum Place: Sendable, CaseIterable, CustomStringConvertible {
        case open, firewall, cone, coneReset, coneUnfiltered, symmetric, symmetricReset
        case symmetricUnfiltered, carrier

        /// The boxes around it, outermost first.
        var boxes: [NATBehaviour] {
            switch self {
            case .open: []
            case .firewall: [NATBehaviour(mapping: .none)]
            case .cone: [NATBehaviour(mapping: .endpointIndependent)]
            case .coneReset: [NATBehaviour(mapping: .endpointIndependent, answer: .reset)]
            case .coneUnfiltered:
                [NATBehaviour(mapping: .endpointIndependent, filtering: .none)]
            case .symmetric: [NATBehaviour(mapping: .addressAndPortDependent)]
            case .symmetricReset:
                [NATBehaviour(mapping: .addressAndPortDependent, answer: .reset)]
            case .symmetricUnfiltered:
                [NATBehaviour(mapping: .addressAndPortDependent, filtering: .none)]
            case .carrier: Array(repeating: NATBehaviour(mapping: .endpointIndependent), count: 2)
            }
        }

        var description: String {
            self == .carrier ? "carrier-grade NAT" : boxes.first?.description ?? "open"
        }

        var isPublic: Bool { self == .open || self == .firewall }
        var isSymmetric: Bool {
            self == .symmetric || self == .symmetricReset || self == .symmetricUnfiltered
        }
        /// May anyone dial in?
        var isUnfiltered: Bool {
            self == .open || self == .coneUnfiltered || self == .symmetricUnfiltered
        }
        var natClass: NATClass { isPublic ? .open : isSymmetric ? .symmetric : .cone }
        var answersReset: Bool { self == .coneReset || self == .symmetricReset }
    }

    /// Two ranks in their places: private networks all use the same addresses and ports.
    static func network(_ places: [Place], _ roundTripTime: Duration) -> VirtualNetwork {
        var boxes: [(NATBox, Int?)] = []
        var hosts: [VirtualHost] = []
        for (number, place) in places.enumerated() {
            let isPublic = IPAddress.v4(0x0800_0001 + UInt32(number) << 8)
            var parent: Int?
            for (depth, behaviour) in place.boxes.enumerated() {
                let outer = depth == 0 ? isPublic : .v4(0x6440_0007)
                boxes.append((NATBox(behaviour, outer: outer), parent))
                parent = boxes.count - 1
            }
            let ip = place.isPublic ? isPublic : .v4(0xc0a8_0102)
            hosts.append(VirtualHost(address: SocketAddress(ip: ip, port: 4000), box: parent))
        }
        return VirtualNetwork(hosts: hosts, boxes: boxes, roundTripTime: roundTripTime)
    }

    static func job(_ places: [Place], seed: UInt64, roundTripTime: Duration) -> VirtualJob {
        VirtualJob(network(places, roundTripTime), seed: seed)
    }

    /// Is there a direct path at all?
    static func isDirect(_ one: Place, _ other: Place) -> Bool {
        if one.isUnfiltered || other.isUnfiltered { return true }
        return !one.isSymmetric && !other.isSymmetric
    }

    static let cells = Place.allCases.flatMap { one in Place.allCases.map { (one, $0) } }

    @Test(arguments: cells)
    func `each pair takes the best path there is`(_ one: Place, _ other: Place) {
        for seed in UInt64(1)...25 {
            var job = Self.job([one, other], seed: seed, roundTripTime: .milliseconds(20))
            let cell = "\(one) - \(other), seed \(seed)"
            #expect(job.classes == [one.natClass, other.natClass], "\(cell)")
            let isComplete = job.run()
            #expect(isComplete, "\(cell)")
            let expected: [CandidateKind]
            if Self.isDirect(one, other) {
                // Each side names the kind of the other's address.
                expected = [other, one].map { $0.isPublic ? .host : .serverReflexive }
            } else {
                expected = [.relayed, .relayed]
            }
            let taken = [job.ranks[0].paths[1], job.ranks[1].paths[0]]
            #expect(
                taken == expected || Self.isChance(one, other) && taken == [.relayed, .relayed],
                "\(cell): \(taken)")
            #expect(job.ranks[1].relayRequests == 0, "the lower rank asks")
        }
    }

    /// Routers that answer RST, and symmetric ones that let strangers in by a port from which
    /// nothing goes out, leave the meeting to chance; the relay may be there first.
    static func isChance(_ one: Place, _ other: Place) -> Bool {
        if one == .open || other == .open { return false }
        return one.answersReset && other.answersReset
            || [one, other].contains(.symmetricUnfiltered)
    }

    @Test func `direct paths are not relayed in passing, and hopeless ones are not waited for`() {
        for (one, other) in Self.cells {
            var job = Self.job([one, other], seed: 7, roundTripTime: .milliseconds(20))
            let start = job.network.now
            let isComplete = job.run()
            #expect(isComplete, "\(one) - \(other)")
            let time = job.network.now - start
            if Self.isDirect(one, other), !Self.isChance(one, other),
                !NATClass.isDirectHopeless(one.natClass, other.natClass)
            {
                #expect(job.ranks[0].relayRequests == 0, "\(one) - \(other)")
            }
            if NATClass.isDirectHopeless(one.natClass, other.natClass) {
                #expect(time < .milliseconds(150), "\(one) - \(other): \(time)")
            }
        }
    }

    @Test func `routers that answer RST are punched most of the time`() {
        for other in [Place.cone, .coneReset, .firewall] {
            var direct = 0
            for seed in UInt64(1)...50 {
                var job = Self.job(
                    [.coneReset, other], seed: seed, roundTripTime: .milliseconds(10))
                let isComplete = job.run()
                #expect(isComplete, "\(other), seed \(seed)")
                if job.ranks[0].paths[1] != .relayed { direct += 1 }
            }
            #expect(direct >= 45, "\(other): \(direct) of 50 direct")
        }
    }

    @Test(arguments: [Place.cone, .coneReset, .firewall, .symmetricReset])
    func `routers that answer RST at once leave a direct path or the relay`(_ other: Place) {
        for seed in UInt64(1)...50 {
            var job = Self.job(
                [.coneReset, other], seed: seed, roundTripTime: .microseconds(100))
            let isComplete = job.run(for: .seconds(2))
            #expect(isComplete, "\(other), seed \(seed)")
        }
    }

    @Test func `two homes behind one carrier meet at the relay, as there is no hairpin`() {
        for seed in UInt64(1)...25 {
            let cone = NATBehaviour(mapping: .endpointIndependent)
            let boxes: [(NATBox, Int?)] = [
                (NATBox(cone, outer: .v4(0x0800_0001)), nil),
                (NATBox(cone, outer: .v4(0x6440_0007)), 0),
                (NATBox(cone, outer: .v4(0x6440_0008)), 0),
            ]
            let hosts = [1, 2].map {
                VirtualHost(
                    address: SocketAddress(ip: .v4(0xc0a8_0102), port: 4000), box: $0)
            }
            var job = VirtualJob(
                VirtualNetwork(hosts: hosts, boxes: boxes, roundTripTime: .milliseconds(20)),
                seed: seed)
            let isComplete = job.run()
            #expect(isComplete, "seed \(seed)")
            #expect(job.ranks.map(\.paths) == [[1: .relayed], [0: .relayed]], "seed \(seed)")
        }
    }

    /// Four ranks in two private networks that use the same addresses and the same port: rank 0's
    /// neighbour sits at the address that rank 3 has announced as its own, and so on.
    @Test(arguments: [Place.cone, .symmetric, .firewall])
    func `overlapping private networks are told apart`(_ right: Place) {
        for seed in UInt64(1)...25 {
            var boxes: [(NATBox, Int?)] = []
            var hosts: [VirtualHost] = []
            for (number, place) in [Place.cone, right].enumerated() {
                let outer = IPAddress.v4(0x0800_0001 + UInt32(number) << 8)
                boxes.append((NATBox(place.boxes[0], outer: outer), nil))
                for last in UInt32(2)...3 {
                    let ip = IPAddress.v4(
                        place.isPublic ? 0x0800_0100 + last : 0xc0a8_0100 + last)
                    hosts.append(
                        VirtualHost(address: SocketAddress(ip: ip, port: 4000), box: number))
                }
            }
            var job = VirtualJob(
                VirtualNetwork(hosts: hosts, boxes: boxes, roundTripTime: .milliseconds(20)),
                seed: seed)
            let isComplete = job.run()
            #expect(isComplete, "\(right), seed \(seed)")
            for low in 0..<4 {
                for high in low + 1..<4 {
                    let expected: CandidateKind =
                        low / 2 == high / 2
                        ? .host
                        : right == .symmetric
                            ? .relayed : right == .firewall ? .host : .serverReflexive
                    #expect(
                        job.ranks[low].paths[high] == expected,
                        "\(right), seed \(seed), \(low)-\(high)")
                }
            }
        }
    }

    @Test func `a mixed mesh is complete, and only pairs without a direct path are relayed`() {
        let places: [Place] = [.cone, .symmetric, .open, .carrier]
        for seed in UInt64(1)...25 {
            var job = Self.job(places, seed: seed, roundTripTime: .milliseconds(30))
            let isComplete = job.run()
            #expect(isComplete, "seed \(seed)")
            for low in 0..<4 {
                for high in low + 1..<4 {
                    let isRelayed = job.ranks[low].paths[high] == .relayed
                    #expect(
                        isRelayed == !Self.isDirect(places[low], places[high]),
                        "seed \(seed), \(places[low]) - \(places[high])")
                    #expect(isRelayed == (job.ranks[high].paths[low] == .relayed))
                }
            }
        }
    }

    @Test func `without a relay a hopeless pair ends with every candidate's cause`() {
        var limits = RendezvousLimits()
        limits.relayedPairsPerJob = 0
        for seed in UInt64(1)...5 {
            var job = VirtualJob(
                Self.network([.symmetric, .cone], .milliseconds(20)), seed: seed, limits: limits)
            let isComplete = job.run()
            #expect(!isComplete, "seed \(seed)")
            let missing = job.ranks[0].machine?.missingPeer()
            #expect(missing?.attempts.map(\.candidate.kind) == [.serverReflexive, .relayed])
            #expect(missing?.attempts.allSatisfy { $0.cause.contains("no answer") } == true)
        }
    }
}
