// A serverless job started by hand, as OPERATING.md describes it: a rendezvous server, a token,
// and each rank on its own. Where the launcher ends a failing job, this one shows what the ranks
// themselves say and do.

import Foundation

/// A running rendezvous server and the variables of one job.
final class ServerlessJob {
    let server: StartedProgram
    let port: UInt16
    let size: Int
    private(set) var ranks: [StartedProgram] = []
    private let program: String
    private let variables: [String: String]

    init(
        size: Int, isEncrypted: Bool = false, joinTimeoutSeconds: Double = 30,
        program: String = "conformance-serverless"
    ) throws {
        let secret = ["RENDEZVOUS_SECRET": String(repeating: "c4", count: 32)]
        self.size = size
        self.program = program
        server = try StartedProgram("rendezvous", ["serve"], variables: secret)
        try server.waitForOutput("\n")
        // `listening HOST:PORT observer PORT`
        let words = server.output.dropLast().split(separator: " ")
        guard words.count == 4, let observer = UInt16(words[3]),
            let port = UInt16(words[1].split(separator: ":").last ?? "")
        else { throw Unexpected("no ports: \(server.report)") }
        self.port = port

        let token = try StartedProgram(
            "rendezvous", ["token", "--job", "faults"], variables: secret)
        guard try token.end() == 0 else { throw Unexpected("no token: \(token.report)") }
        var variables: [String: String] = [:]
        for line in token.output.split(separator: "\n") {
            let parts = line.split(separator: "=")
            variables[String(parts[0])] = String(parts[1])
        }
        variables["SERVERLESS_MPI_URL"] =
            "rendezvous://127.0.0.1:\(port)/faults?size=\(size)"
            + "&encryption=\(isEncrypted ? "on" : "none")&join-timeout=\(joinTimeoutSeconds)"
            + "&observer=\(observer)"
        self.variables = variables
    }

    /// Starts one more rank.
    @discardableResult
    func start(
        rank: Int, _ arguments: [String], replacing others: [String: String] = [:]
    ) throws -> StartedProgram {
        let rankVariable = ["SERVERLESS_MPI_RANK": "\(rank)"]
        let program = try StartedProgram(
            self.program, arguments,
            variables: variables.merging(rankVariable) { $1 }.merging(others) { $1 })
        ranks.append(program)
        return program
    }

    func startAll(_ arguments: [String]) throws {
        for rank in 0..<size { try start(rank: rank, arguments) }
    }

    /// Every rank is connected and has exchanged data, for ever, with all others.
    func startHangingAround() throws {
        try startAll(["hang-around"])
        for rank in ranks { try rank.waitForOutput("is process") }
    }
}
