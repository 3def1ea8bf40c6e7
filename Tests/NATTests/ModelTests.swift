// The laboratory as a value: addresses, commands, rules, expectations. No system is touched.
import Foundation
import Processes
import Testing

@testable import Lab

@Suite("The laboratory's model")
struct ModelTests {
    @Test("every command acts on namespaces of its own laboratory and on nothing else")
    func ownNamespacesOnly() throws {
        for internet in everyInternet() {
            let plan = try LabPlan(internet, identifier: "7t8n9")
            for command in plan.commands {
                let words = command.arguments
                switch words.first {
                case "ip" where words == ["ip", "-batch", "-"]:
                    for line in command.input.split(separator: "\n") {
                        #expect(line.hasPrefix("netns add smpi-7t8n9-"), "\(line)")
                    }
                case "ip" where words[1] == "-n", "tc":
                    #expect(words[1] == "-n" && words[2].hasPrefix("smpi-7t8n9-"), "\(words)")
                case "ip":
                    #expect(words[1...2] == ["netns", "exec"], "\(words)")
                    #expect(words[3].hasPrefix("smpi-7t8n9-"), "\(words)")
                default: Issue.record("\(words)")
                }
            }
        }
    }

    @Test("every namespace is made once, and every other one hangs on a wire of an earlier one")
    func wires() throws {
        for internet in everyInternet() {
            let plan = try LabPlan(internet, identifier: "1t1n1")
            let made = try #require(plan.commands.first).input.split(separator: "\n")
                .map { $0.dropFirst("netns add ".count) }
            #expect(Set(made).count == made.count)
            var reached: Set<Substring> = ["smpi-1t1n1-core"]
            for command in plan.commands where command.arguments.prefix(2) == ["ip", "-n"] {
                #expect(reached.contains(command.arguments[2][...]), "\(command)")
                for line in command.input.split(separator: "\n") where line.contains(" peer ") {
                    reached.insert(try #require(line.split(separator: " ").last))
                }
            }
            #expect(reached == Set(made))
        }
    }

    @Test("public addresses are for documentation, distinct, and end where the ranges end")
    func publicAddresses() throws {
        let addresses = (0..<PublicAddresses.countMax).map { PublicAddresses.address($0) }
        #expect(Set(addresses).count == addresses.count)
        for address in addresses.map(\.description) {
            #expect(address.hasPrefix("203.0.113.") || address.hasPrefix("198.51.100."))
        }
        #expect(throws: LaunchError.self) {
            try AddressPlan(Topologies.ranks(PublicAddresses.countMax + 1, kinds: [.open]))
        }
    }

    @Test("a network gives wished numbers and fills up the rest, until it is full")
    func privateAddresses() throws {
        let network = LocalNetwork(192, 168, 1)
        func home(_ hosts: [LabHost]) -> Internet {
            Internet([.router(LabRouter("nat", NATBehaviour(), network, hosts.map { .host($0) }))])
        }
        let plan = try AddressPlan(
            home([LabHost("a"), LabHost("b", number: 2), LabHost("c")]))
        #expect(
            plan.nodes.map(\.address.description) == [
                "203.0.113.2", "203.0.113.10", "192.168.1.3", "192.168.1.2", "192.168.1.4",
            ])
        #expect(plan.nodes.last?.router?.address == network.host(1))
        #expect(throws: LaunchError.self) {
            try AddressPlan(home((0..<254).map { LabHost("h\($0)") }))
        }
    }

    @Test(
        "names that are taken or would mean something to a shell are refused",
        arguments: [
            "", "core", "rendezvous", "a b", "a;b", "../x", "A", String(repeating: "a", count: 65),
        ])
    func names(name: String) {
        #expect(throws: LaunchError.self) { try AddressPlan(Internet([.host(LabHost(name))])) }
        #expect(throws: LaunchError.self) {
            try AddressPlan(Internet([.host(LabHost("x")), .host(LabHost("x"))]))
        }
    }

    @Test("a router's rules are those of its kind")
    func rules() {
        let cone = FilterRules.router(NATBehaviour())
        #expect(cone.contains("masquerade\n") && !cone.contains("random"))
        #expect(!cone.contains("reset"))
        let symmetric = FilterRules.router(NATBehaviour(.perConnection, .reset))
        #expect(symmetric.contains("masquerade fully-random"))
        #expect(symmetric.contains("reject with tcp reset"))
    }

    @Test("delay, bandwidth and memory of routers appear only if they are asked for")
    func conditions() throws {
        var internet = Topologies.ranks(2)
        func text() throws -> String {
            try LabPlan(internet, identifier: "1t1n1").commands
                .map { "\($0.arguments.joined(separator: " "))\n\($0.input)" }.joined()
        }
        let plain = try text()
        for word in ["tuntap", "tbf", "timeout_established"] { #expect(!plain.contains(word)) }
        internet.lines.delay = .milliseconds(5)
        internet.lines.megabitsPerSecond = 100
        internet.lines.mappingLifetimeSeconds = 30
        let full = try text()
        for word in ["tuntap add dev delay", "tbf rate 100mbit", "echo 30 >"] {
            #expect(full.contains(word))
        }
    }

    @Test("ranks are divided among homes, and kinds taken in turn")
    func ranks() throws {
        let internet = Topologies.ranks(10, kinds: [.masquerade, .cgn], hostsPerHome: 4)
        #expect(internet.rankHosts == (0..<10).map { "rank\($0)" })
        #expect(internet.members.map(\.name) == ["nat0", "nat1-carrier", "nat2"])
        let mixed = try #require(Topologies.named.first { $0.name == "mixed" }).internet
        #expect(mixed.rankHosts == (0..<9).map { "rank\($0)" })
    }

    @Test("overlapping homes give each impostor the address of the other rank")
    func overlap() throws {
        let internet = try #require(Topologies.named.first { $0.name == "overlap" }).internet
        let plan = try AddressPlan(internet)
        func address(_ name: String) -> IPv4Address? {
            plan.nodes.first { $0.name == name }?.address
        }
        #expect(address("overlap-a") == address("overlap-b-other"))
        #expect(address("overlap-b") == address("overlap-a-other"))
        #expect(address("overlap-a") != nil)
        #expect(internet.rankHosts == ["overlap-a", "overlap-b"])
    }

    @Test("the picture shows every node once, under its router")
    func picture() throws {
        var internet = try #require(Topologies.named.first { $0.name == "same-cgn" }).internet
        internet.lines.delay = .microseconds(1500)
        #expect(
            try draw(internet) == [
                "internet · 1.5 ms each way",
                "├─ rendezvous 203.0.113.2",
                "└─ same-cgn 203.0.113.10 · masquerade · 100.64.0.0/24",
                "   ├─ same-cgn-a-nat 100.64.0.2 · masquerade · 10.4.76.0/24",
                "   │  └─ same-cgn-a 10.4.76.2 · rank 0",
                "   └─ same-cgn-b-nat 100.64.0.3 · masquerade · 10.4.77.0/24",
                "      └─ same-cgn-b 10.4.77.2 · rank 1",
            ])
    }

    /// Every internet that a command can build, with and without conditions.
    private func everyInternet() -> [Internet] {
        let plain =
            Topologies.named.map(\.internet)
            + [
                Topologies.grid(GridCell.all(GridCell.places, lines: LineConditions())),
                Topologies.ranks(12, kinds: NATKind.allCases, hostsPerHome: 2),
            ]
        return plain
            + plain.map { internet in
                var internet = internet
                internet.lines.delay = .milliseconds(1)
                internet.lines.megabitsPerSecond = 10
                internet.lines.mappingLifetimeSeconds = 30
                return internet
            }
    }
}
