// The internets that commands and tests build, by name.

/// Internets to start ranks in.
public enum Topologies {
    /// One home for every `hostsPerHome` ranks, the kinds taken in turn.
    ///
    /// - Parameter hostsPerHome: kinds with a public address have no home to share.
    public static func ranks(
        _ count: Int, kinds: [NATKind] = [.masquerade], hostsPerHome: Int = 1
    ) -> Internet {
        precondition(count >= 1 && hostsPerHome >= 1 && !kinds.isEmpty)
        var members: [LabNode] = []
        var rank = 0
        var home = 0
        while rank < count {
            let last = min(count, rank + hostsPerHome)
            members += kinds[home % kinds.count].home(
                "nat\(home)", hosts: (rank..<last).map { "rank\($0)" }, network: .home(home))
            rank = last
            home += 1
        }
        return Internet(members)
    }

    /// Topologies with a name; all others are made of kinds.
    public static let named: [(name: String, summary: String, internet: Internet)] = [
        (
            "mixed",
            "two cone NATs with two hosts each, two symmetric, a CGN with two homes, one public host",
            mixed
        ),
        ("same-nat", "two hosts behind one NAT that does not hairpin", Internet([sameNAT])),
        ("same-cgn", "two homes behind one carrier's NAT", Internet([sameCGN])),
        (
            "overlap",
            "two homes with one private network, each with an impostor at the other rank's address",
            Internet(overlap)
        ),
    ]

    /// Two hosts at every place that the cells name.
    public static func grid(_ cells: [GridCell]) -> Internet {
        var members: [LabNode] = []
        var seen: Set<String> = []
        for place in cells.flatMap({ [$0.left, $0.right] }) where seen.insert(place).inserted {
            switch place {
            case "same-nat": members.append(sameNAT)
            case "same-cgn": members.append(sameCGN)
            case "overlap": members += overlap
            default:
                guard let kind = NATKind(rawValue: place) else { continue }
                for side in GridSide.allCases {
                    let host = GridCell.host(place, side)
                    members += kind.home(
                        host + "-nat", hosts: [host], network: .home(members.count))
                }
            }
        }
        return Internet(members)
    }

    static let mixed = Internet(
        NATKind.masquerade.home("cone0", hosts: ["rank0", "rank1"], network: .home(0))
            + NATKind.masquerade.home("cone1", hosts: ["rank2", "rank3"], network: .home(1))
            + NATKind.symmetric.home("symmetric0", hosts: ["rank4"], network: .home(2))
            + NATKind.symmetric.home("symmetric1", hosts: ["rank5"], network: .home(3))
            + [carrier("carrier", [("home0", "rank6"), ("home1", "rank7")])]
            + NATKind.open.home("", hosts: ["rank8"], network: .home(4)))

    private static let sameNAT = LabNode.router(
        LabRouter(
            "same-nat", NATBehaviour(), .home(1000),
            GridSide.allCases.map { .host(LabHost(GridCell.host("same-nat", $0))) }))

    private static let sameCGN = carrier(
        "same-cgn",
        GridSide.allCases.map {
            let host = GridCell.host("same-cgn", $0)
            return (host + "-nat", host)
        })

    private static func carrier(_ name: String, _ homes: [(name: String, host: String)]) -> LabNode
    {
        let routers = homes.enumerated().flatMap { index, home in
            NATKind.masquerade.home(home.name, hosts: [home.host], network: .home(1100 + index))
        }
        return .router(LabRouter(name, NATBehaviour(), .carrier, routers))
    }

    /// Each rank's address in its home is the impostor's in the other's.
    private static let overlap: [LabNode] = GridSide.allCases.map { side in
        let host = GridCell.host("overlap", side)
        let (own, other): (UInt8, UInt8) = side == .left ? (2, 3) : (3, 2)
        return .router(
            LabRouter(
                host + "-nat", NATBehaviour(), LocalNetwork(192, 168, 1),
                [
                    .host(LabHost(host, number: own)),
                    .host(LabHost(host + "-other", .impostor, number: other)),
                ]))
    }
}
