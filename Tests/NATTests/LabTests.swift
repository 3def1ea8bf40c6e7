// A laboratory on this machine: that it stands, does what it is built for, and vanishes whatever
// happens. Skipped where it cannot be built, with the reason.
import Foundation
import Processes
import Testing

@testable import Lab

private let reason = reasonLabIsUnavailable()
let canBuildLab = ConditionTrait.enabled(
    if: reason == nil, Comment(rawValue: reason ?? "a laboratory can be built here"))

/// One after the other: on two cores they would only wait for each other.
@Suite("Laboratories", .serialized, canBuildLab)
enum LaboratoryTests {}

extension LaboratoryTests {
    @Suite("Standing and vanishing")
    struct Standing {
        @Test("it is built from its own namespaces, adds nothing to the machine's, and vanishes")
        func buildsAndVanishes() throws {
            let before = try system("ip -o link | wc -l; ip rule; ip route; nft list tables")
            let lab = try Lab(Topologies.ranks(2, kinds: [.cgn]))
            let own = namespaces(of: getpid())
            // Core, rendezvous, and of each rank its host, home router and carrier.
            #expect(own.count == 2 + 2 * 3, "\(own)")
            #expect(
                try system("ip -o link | wc -l; ip rule; ip route; nft list tables") == before)
            lab.close()
            #expect(namespaces(of: getpid()).isEmpty)
            lab.close()
        }

        @Test("one that cannot be built leaves nothing, and the error names the command")
        func failure() throws {
            var internet = Topologies.ranks(2)
            internet.lines.mappingLifetimeSeconds = .max
            #expect {
                _ = try Lab(internet)
            } throws: { error in
                "\(error)".contains("the laboratory cannot be built: ip netns exec")
            }
            #expect(namespaces(of: getpid()).isEmpty)
        }

        @Test("programs in it cannot reach beyond it, nor one home the inside of another")
        func isolation() throws {
            let lab = try Lab(Topologies.ranks(2))
            defer { lab.close() }
            // From rank 0's host: the other home's host and router, and this machine's loopback.
            for address in ["10.0.1.2", "203.0.113.11"] {
                #expect(try connects(from: "rank0", to: address, 80, lab) == false)
            }
            let listener = try Listener()
            #expect(try connects(from: "rank0", to: "127.0.0.1", listener.port, lab) == false)
        }

        @Test("an impostor accepts at the other rank's address")
        func impostor() throws {
            let overlap = try #require(Topologies.named.first { $0.name == "overlap" }).internet
            let lab = try Lab(overlap)
            defer { lab.close() }
            #expect(try connects(from: "overlap-a", to: "192.168.1.3", 12_345, lab))
        }

        @Test("bandwidth and the routers' memory are as asked for")
        func conditions() throws {
            var internet = Topologies.ranks(1)
            internet.lines.megabitsPerSecond = 50
            internet.lines.mappingLifetimeSeconds = 30
            let lab = try Lab(internet)
            defer { lab.close() }
            let router = lab.namespace(of: "nat0")
            #expect(try system("tc -n \(router) qdisc show dev wan").contains("rate 50Mbit"))
            let setting = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established"
            #expect(try system("ip netns exec \(router) cat \(setting)") == "30\n")
        }

        @Test("namespaces of a dead builder are removed, those of a living one are not")
        func clean() throws {
            let lab = try Lab(Topologies.ranks(1, kinds: [.open]))
            defer { lab.close() }
            // No process has number 1 and started at the machine's first tick plus a century.
            let dead = "smpi-1t315360000000n0-core"
            _ = try system("ip netns add \(dead)")
            let sleeper = try Tool("/bin/sh", ["-c", "exec ip netns exec \(dead) sleep 60"])
            try sleeper.waitUntil("it runs there") {
                (try? system("ip netns pids \(dead)"))?.isEmpty == false
            }
            let removed = try removeDeadLabs()
            #expect(removed.contains(dead))
            #expect(!labNamespaces().contains(dead))
            #expect(namespaces(of: getpid()).count == 3)
            #expect(try sleeper.wait() == -SIGTERM)
        }

        /// Does a connection from a host of the laboratory come about within half a second?
        private func connects(
            from host: String, to address: String, _ port: UInt16, _ lab: Lab
        ) throws -> Bool {
            let script = "exec 3<>/dev/tcp/\(address)/\(port)"
            let (executable, arguments) = try lab.command(
                on: host, "/usr/bin/timeout", ["0.5", "bash", "-c", script])
            return try Tool(executable, arguments).wait() == 0
        }
    }
}

/// A socket that listens on this machine's loopback.
private final class Listener {
    let port: UInt16
    private let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)

    init() throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) | listen(descriptor, 1)
                    | getsockname(descriptor, $0, &length)
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        try #require(status == 0)
    }

    deinit { close(descriptor) }
}
