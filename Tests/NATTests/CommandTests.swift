// The commands that use a laboratory, as a user starts and interrupts them.
import Foundation
import CompactJSON
import Records
import Testing

@testable import Lab

extension LaboratoryTests {
    @Suite("Commands")
    struct Commands {
        @Test(
            "nothing is left when the command is interrupted, ended or killed",
            arguments: [SIGINT, SIGTERM, SIGKILL])
        func ended(signal: Int32) throws {
            let tool = try Tool(
                "mpi-compare",
                [
                    "lab", "run", "-n", "2", "--delay", "1", "--", "/bin/sh", "-c",
                    "echo up; sleep 60",
                ])
            try tool.waitUntil("both ranks run") {
                tool.output.contains("[0] up") && tool.output.contains("[1] up")
            }
            let own = namespaces(of: tool.process)
            #expect(own.count == 2 + 2 * 2, "\(own)")
            tool.send(signal)
            #expect(try tool.wait() == (signal == SIGKILL ? -SIGKILL : 128 + signal))
            try tool.waitUntil("its namespaces are gone") { namespaces(of: tool.process).isEmpty }
            try tool.waitUntil("its processes are gone") { tool.processesLeft() == 0 }
        }

        @Test("nothing is left when the command is killed while it builds")
        func killedWhileBuilding() throws {
            let tool = try Tool("mpi-compare", ["nat-grid", "--tries", "1"])
            try tool.waitUntil("it has begun") { namespaces(of: tool.process).count > 4 }
            tool.send(SIGKILL)
            #expect(try tool.wait() == -SIGKILL)
            try tool.waitUntil("its namespaces are gone") { namespaces(of: tool.process).isEmpty }
        }

        @Test("ranks behind NATs of several kinds are one world, and find direct paths")
        func mixedKinds() throws {
            let tool = try Tool(
                "mpi-compare",
                [
                    "launch", "-n", "4", "--environment", "serverless-nat",
                    "--nat", "masquerade,public,cgn,firewall", "--", Tool.path("worker-link"),
                ])
            #expect(try tool.wait() == 0, "\(tool.report)")
            let reports = tool.output.split(separator: "\n").compactMap {
                LinkReport(line: String($0.dropFirst("[0] ".count)))
            }
            #expect(reports.count == 4, "\(tool.report)")
            for report in reports {
                #expect(report.links.count == 3)
                for link in report.links {
                    #expect(["host", "server-reflexive"].contains(link.path))
                    #expect(!link.remoteAddress.hasPrefix("127."))
                }
            }
        }

        @Test("homes with IPv6 but no direct path for IPv4 meet every time")
        func dualStack() throws {
            let tool = try Tool(
                "mpi-compare", ["nat-grid", "--tries", "8", "--kinds", "dual-stack"])
            #expect(try tool.wait() == 0, "\(tool.report)")
            #expect(tool.output.contains("8/8"), "\(tool.report)")
        }

        @Test("a link that is idle for longer than the routers remember goes on working")
        func forgetfulRouters() throws {
            for nat in ["masquerade", "symmetric"] {
                let tool = try Tool(
                    "mpi-compare",
                    [
                        "lab", "run", "-n", "2", "--nat", nat, "--forget", "3", "--",
                        Tool.path("worker-link"), "8",
                    ])
                #expect(try tool.wait() == 0, "\(nat): \(tool.report)")
            }
        }

        @Test("a relayed link moves to a direct path when one appears, under load")
        func upgrade() throws {
            // Each rank lets no TCP out but to the rendezvous server, for the first seconds.
            let script = """
                server=${SERVERLESS_MPI_URL#rendezvous://}; server=${server%%:*}
                nft add table ip shut
                nft 'add chain ip shut out { type filter hook output priority 0; }'
                nft add rule ip shut out meta l4proto tcp ip daddr != $server reject with tcp reset
                (sleep 3; nft delete table ip shut) &
                exec "$0" 10 busy
                """
            let tool = try Tool(
                "mpi-compare",
                [
                    "lab", "run", "-n", "3", "--nat", "masquerade", "--", "/bin/sh", "-c", script,
                    Tool.path("worker-link"),
                ])
            #expect(try tool.wait() == 0, "\(tool.report)")
            let reports = tool.output.split(separator: "\n").compactMap {
                LinkReport(line: String($0.dropFirst("[0] ".count)))
            }
            try #require(reports.count == 6, "\(tool.report)")
            for rank in 0..<3 {
                let own = reports.filter { $0.rank == rank }
                #expect(own[0].links.allSatisfy { $0.path == "relayed" }, "\(tool.report)")
                #expect(own[1].links.count == 2, "\(tool.report)")
                #expect(own[1].links.allSatisfy { $0.path != "relayed" }, "\(tool.report)")
            }
        }

        @Test("packets take the time that the delay line gives them, and not less")
        func delay() throws {
            let tool = try Tool(
                "mpi-compare",
                [
                    "lab", "run", "-n", "2", "--delay", "15", "--encryption", "none", "--",
                    Tool.path("worker-link"),
                ])
            #expect(try tool.wait() == 0, "\(tool.report)")
            let reports = tool.output.split(separator: "\n").compactMap {
                LinkReport(line: String($0.dropFirst("[0] ".count)))
            }
            #expect(reports.count == 2, "\(tool.report)")
            for link in reports.flatMap(\.links) {
                // The kernel's own figure is too small after a simultaneous open.
                #expect(link.connectMicroseconds >= 30_000, "\(link)")
            }
        }

        @Test("nat-grid finds direct paths where there are some, and relayed ones elsewhere")
        func grid() throws {
            let file = FileManager.default.temporaryDirectory
                .appendingPathComponent("nat-grid-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: file) }
            let kinds = "public,firewall,masquerade,symmetric,cgn,same-nat,same-cgn,overlap"
            let tool = try Tool(
                "mpi-compare",
                [
                    "nat-grid", "--tries", "1", "--delay", "2", "--kinds", kinds,
                    "--json", file.path,
                ])
            #expect(try tool.wait() == 0, "\(tool.report)")
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
                .compactMap { JSONValue(parsing: String($0)) }
            #expect(lines.count == 15 + 3)
            for line in lines { #expect(line["as_expected"] == .bool(true), "\(line)") }
            #expect(tool.output.contains("✓ reflexive"))
            #expect(tool.output.hasSuffix("nat-grid: 18 passed, 0 failed\n"), "\(tool.report)")
        }

        @Test("nat-grid says no where two ranks find no path as expected")
        func gridFailure() throws {
            // A twentieth of a second is less than one round trip at this distance.
            let tool = try Tool(
                "mpi-compare",
                [
                    "nat-grid", "--tries", "9", "--delay", "400", "--kinds", "same-nat",
                    "--join-timeout", "0.05",
                ])
            #expect(try tool.wait() == 1, "\(tool.report)")
            #expect(tool.output.contains("0/3"), "\(tool.report)")
            #expect(tool.output.contains("✗ same-nat ↔ same-nat: expected a direct path"))
        }

        @Test("mesh connects more ranks than homes, every time")
        func mesh() throws {
            let tool = try Tool(
                "mpi-compare",
                ["mesh", "--ranks", "4", "--nats", "2", "--tries", "2", "--encryption", "on,none"])
            #expect(try tool.wait() == 0, "\(tool.report)")
            let rows = tool.output.split(separator: "\n").filter { $0.contains("2/2") }
            #expect(rows.count == 2)
            for row in rows { #expect(row.contains("2 host, 4 reflexive"), "\(tool.report)") }
        }

        @Test("in a mixed mesh the relay carries the pairs without a direct path, and no others")
        func mixedMesh() throws {
            let tool = try Tool(
                "mpi-compare",
                [
                    "mesh", "--topology", "mixed", "--tries", "2", "--encryption", "on", "--delay",
                    "2",
                ])
            #expect(try tool.wait() == 0, "\(tool.report)")
            // Each of two symmetric hosts with four in cone NATs and two behind the carrier's, the
            // two with each other, and the carrier's two homes with each other.
            #expect(tool.output.contains(" 14 relayed"), "\(tool.report)")
            #expect(tool.output.contains("2/2"), "\(tool.report)")
        }

        @Test("serverless-nat is an environment of run, with the answer of the others")
        func environment() throws {
            let tool = try Tool(
                "mpi-compare",
                [
                    "run", "--environments", "threads,serverless-nat", "--rows", "2000",
                    "--iterations", "1", "--ranks", "2",
                ])
            #expect(try tool.wait() == 0, "\(tool.report)")
            #expect(tool.output.contains("serverless-nat"))
            #expect(!tool.output.contains("skipped"), "\(tool.report)")
        }
    }
}

@Suite("Commands without a laboratory")
struct CommandLineTests {
    @Test(
        "a wrong option is one line that says what to do, and exit code 2",
        arguments: [
            ("lab run", "no program given"),
            ("lab run --topology nowhere -- true", "choose from mixed, same-nat"),
            ("lab run -n 0 -- true", "--ranks 0"),
            ("lab run --nat what -- true", "choose from public, firewall"),
            ("lab run --encryption perhaps -- true", "use on or none"),
            ("lab show --topology mixed -n 2", "not both"),
            ("lab show --delay -1", "--delay"),
            ("lab show --bandwidth 0", "--bandwidth 0"),
            ("lab show --forget 0", "--forget 0"),
            ("nat-grid --tries 0", "--tries 0"),
            ("nat-grid --kinds masquerade,what", "--kinds what"),
            ("mesh --ranks 0", "--ranks 0"),
            ("mesh --topology nowhere", "choose from"),
            ("launch --environment serverless --nat cgn -- true", "serverless-nat"),
        ])
    func wrongOptions(command: String, expected: String) throws {
        let tool = try Tool("mpi-compare", command.split(separator: " ").map(String.init))
        #expect(try tool.wait() == 2, "\(tool.report)")
        #expect(tool.errors.split(separator: "\n").count == 1, "\(tool.report)")
        #expect(tool.errors.hasPrefix("mpi-compare: "), "\(tool.report)")
        #expect(tool.errors.contains(expected), "\(tool.report)")
    }

    @Test("a picture needs no rights and no programs")
    func show() throws {
        let tool = try Tool(
            "mpi-compare", ["lab", "show", "--topology", "mixed"], path: "/nonexistent")
        #expect(try tool.wait() == 0, "\(tool.report)")
        #expect(tool.output.contains("rank8 203.0.113.15 · rank 8"))
    }

    @Test("what is missing is named with its package")
    func missingProgram() {
        #expect(missingLabProgram("nft").contains("needs nft"))
        #expect(missingLabProgram("nft").contains("apt-get install nftables"))
        #expect(missingLabProgram("tc").contains("apt-get install iproute2"))
    }

    @Test("without root the reason is given", .enabled(if: geteuid() == 0, "not root"))
    func notRoot() throws {
        let tool = try Tool(
            "/usr/bin/setpriv",
            ["--reuid", "65534", "--clear-groups", Tool.path("mpi-compare"), "lab", "run", "--"]
                + ["/bin/true"])
        #expect(try tool.wait() == 2, "\(tool.report)")
        #expect(tool.errors.contains("needs root"), "\(tool.report)")
    }
}
