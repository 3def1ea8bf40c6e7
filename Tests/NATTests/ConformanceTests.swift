// The conformance suite where packets really pass routers: behind NATs, over relays only, and
// through a TURN server as the only way.
import Processes
import Testing

@testable import Lab

extension LaboratoryTests {
    @Suite("The conformance suite")
    struct ConformanceSuite {
        @Test(
            "passes with four ranks behind four NATs",
            arguments: [["--encryption", "none"], ["--candidates", "relayed"]])
        func behindNATs(options: [String]) throws {
            try expectPasses(["-n", "4", "--nat", "masquerade"] + options)
        }

        @Test(
            "passes between two symmetric NATs with coturn as the only relay",
            .enabled(
                if: findSystemProgram("turnserver") != nil,
                "coturn is not installed: apt-get install coturn"))
        func throughTURN() throws {
            try expectPasses(["-n", "2", "--nat", "symmetric", "--turn", "--candidates", "turn"])
        }

        private func expectPasses(_ options: [String]) throws {
            let tool = try Tool(
                "mpi-compare",
                ["lab", "run"] + options + ["--", Tool.path("conformance-serverless")])
            #expect(try tool.wait(seconds: 400) == 0, "\(tool.report)")
            let counts = tool.output.split(separator: "\n").last { $0.contains(" passed, ") } ?? ""
            #expect(counts.hasSuffix(" passed, 0 failed"), "\(tool.report)")
            #expect(!counts.contains(" 0 passed"), "\(tool.report)")
        }
    }
}
