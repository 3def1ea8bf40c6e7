import Glibc
import MessagePassing
import Testing

@testable import ServerlessMPI

/// The `rendezvous` program as an operator meets it.
@Suite struct RendezvousProgramTests {
    static let secret = String(repeating: "5a", count: 32)

    static let environment = ["RENDEZVOUS_SECRET=\(secret)"]

    @Test(arguments: [SIGTERM, SIGINT])
    func `it says where it listens, serves a job, and ends on a signal`(signal: Int32) throws {
        let server = try RendezvousRun(["serve"], environment: Self.environment)
        let line = server.line()
        #expect(line.hasPrefix("listening 127.0.0.1:"))
        // `listening HOST:PORT observer PORT`
        let words = line.dropLast().split(separator: " ")
        try #require(words.count == 4 && words[2] == "observer")
        let port = try #require(UInt16(words[1].split(separator: ":").last ?? ""))
        let observer = try #require(UInt16(words[3]))

        let printed = try RendezvousRun(["token", "--job", "j"], environment: Self.environment)
            .end()
        #expect(printed.code == 0)
        let url = "rendezvous://127.0.0.1:\(port)/j?size=1&observer=\(observer)"
        var variables = ["SERVERLESS_MPI_URL": url]
        for line in printed.output.split(separator: "\n") {
            let parts = line.split(separator: "=")
            variables[String(parts[0])] = String(parts[1])
        }
        let configuration = try #require(try JoinConfiguration.from { variables[$0] })
        let outcome = JoinWorld.joinAndConnect(configuration)
        #expect(outcome.error == nil)
        outcome.end()

        kill(server.pid, signal)
        let end = server.end()
        #expect(end.code == 0)
        for secret in [Self.secret, configuration.serverKey.hex, configuration.peerSecret.hex] {
            #expect(!end.errors.contains(secret), "a secret is in the log")
        }
    }

    @Test func `a port in use ends it with one line that says what to do`() throws {
        let first = try RendezvousRun(["serve"], environment: Self.environment)
        let address = try #require(first.line().split(separator: " ").dropFirst().first)
        let second = try RendezvousRun(
            ["serve", "--listen", String(address)], environment: Self.environment
        ).end()
        #expect(second.code == 1)
        #expect(second.errors.contains("in use"))
        #expect(second.errors.split(separator: "\n").count == 1)
    }

    @Test(arguments: [
        ["serve"], ["serve", "--listen", "nowhere"], ["serve", "--secret-file", "/nonexistent"],
        ["serve", "--observer-port", "70000"],
        ["token"], ["token", "--job", "a b"], ["dance"], [],
    ])
    func `wrong arguments end it with an explanation`(_ arguments: [String]) throws {
        let environment = arguments == ["serve"] ? [] : Self.environment
        let end = try RendezvousRun(arguments, environment: environment).end()
        #expect(end.code == 2)
        #expect(end.errors.hasPrefix("rendezvous: "))
    }

    @Test func `every new operator secret is another one`() throws {
        let secrets = try (0..<2).map { _ in try RendezvousRun(["secret"]).end().output }
        #expect(secrets.allSatisfy { Secret(hex: String($0.dropLast())) != nil })
        #expect(secrets[0] != secrets[1])
    }
}
