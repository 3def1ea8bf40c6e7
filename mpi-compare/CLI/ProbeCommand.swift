// `mpi-compare probe`: what ranks started at this place of the network can expect. It talks to
// nobody but a rendezvous server (and a TURN server, if one is configured).
import ArgumentParser
@preconcurrency import Glibc
import Launchers
import MessagePassing
import Processes
import Report
import ServerlessMPI
import Workloads

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Say what NAT this machine sits behind, and what will and won't work.",
        discussion: """
            Needs a running `rendezvous serve` and a key to it: the operator's secret by \
            --secret-file, or, in a function, the token that `rendezvous token --job probe` \
            prints, in \(JoinConfiguration.Variable.serverKey). A token is good for one probe at \
            a time; tokens of other jobs do not do, because a probe would end such a job. The exit \
            code is 0 if the relay works from here, 1 if not. Example:

              mpi-compare probe --server server.example:7000 --observer 34567 --secret-file FILE
            """)

    /// A job of a name that does not begin so may be a user's, which a probe would end.
    private static let jobPrefix = "probe"

    @Option(
        help: """
            HOST:PORT of the rendezvous server; if not given, that of \
            \(JoinConfiguration.Variable.url).
            """)
    var server: String?

    @Option(help: "Its observer port, without which kinds of NAT cannot be told apart.")
    var observer: Int?

    @Option(help: "The file of the operator's secret, the one that `rendezvous serve` has.")
    var secretFile: String?

    @Option(help: "Seconds that all of it may take.")
    var timeout = 15.0

    @Flag(help: "Print one JSON object instead.")
    var json = false

    func run() throws {
        guard timeout >= 4, timeout <= 3600 else {
            throw UsageError("--timeout \(timeout): give seconds from 4 to 3600")
        }
        var url = try place()
        if let observer {
            guard let port = UInt16(exactly: observer), port > 0 else {
                throw UsageError("--observer \(observer): give the port `rendezvous serve` printed")
            }
            url.observerPort = port
        }
        let key = try key(&url)
        DescriptorLimit.raise()
        let findings: NetworkProbe.Findings
        do throws(MPIError) {
            findings = try NetworkProbe(url: url, serverKey: key).run(timeout: .seconds(timeout))
        } catch {
            throw LaunchError(explain(error, url))
        }
        let report = ProbeReport(
            server: address(url), findings: findings, hasObserver: url.observerPort != nil,
            descriptorsMax: DescriptorLimit.current.soft)
        if json { print(report.json) } else { for line in report.lines { print(line) } }
        if !report.relayWorks { throw ExitCode(1) }
    }

    /// Where the server is: by option, or where this place's ranks would look for it.
    private func place() throws -> JoinURL {
        if let server {
            guard
                let url = try? JoinURL(parsing: "rendezvous://\(server)/\(Self.jobPrefix)?size=1"),
                url.port > 0
            else { throw UsageError("--server \(server): give HOST:PORT of a rendezvous server") }
            return url
        }
        guard let text = environmentVariable(JoinConfiguration.Variable.url), !text.isEmpty else {
            throw UsageError("give --server HOST:PORT, where `rendezvous serve` listens")
        }
        do throws(MPIError) {
            return try JoinURL(parsing: text)
        } catch {
            throw UsageError(error.reason)
        }
    }

    /// The key to the server, and the job it is good for.
    private func key(_ url: inout JoinURL) throws -> Secret {
        if let secretFile {
            url.job = "\(Self.jobPrefix)-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
            return JobTokens(operatorSecret: try operatorSecret(inFile: secretFile), job: url.job)
                .serverKey
        }
        let variable = JoinConfiguration.Variable.serverKey
        guard let text = environmentVariable(variable), !text.isEmpty else {
            throw UsageError(
                "no key to the server: give the operator's secret by --secret-file, or the token "
                    + "that `rendezvous token --job \(Self.jobPrefix)` prints in \(variable)")
        }
        guard let key = Secret(hex: text) else {
            throw UsageError("\(variable) must be 64 hexadecimal digits, from `rendezvous token`")
        }
        guard url.job.hasPrefix(Self.jobPrefix) else {
            throw UsageError(
                "the token of job \(url.job) will not do, as probing would end that job: give "
                    + "--server and the token that `rendezvous token --job \(Self.jobPrefix)` prints"
            )
        }
        return key
    }

    private func address(_ url: JoinURL) -> String {
        url.host.contains(":") ? "[\(url.host)]:\(url.port)" : "\(url.host):\(url.port)"
    }

    private func oneLine(_ reason: String) -> String {
        let flat = String(reason.map { $0.isNewline ? " " : $0 })
        return server == nil
            ? flat : flat.replacing(JoinConfiguration.Variable.url, with: "--server")
    }

    /// One line, in terms of this command's options.
    private func explain(_ error: MPIError, _ url: JoinURL) -> String {
        switch error.code {
        case .unauthorized where secretFile != nil:
            "the server at \(address(url)) has another operator's secret than --secret-file"
        case .unauthorized:
            "the server at \(address(url)) refused the key in "
                + "\(JoinConfiguration.Variable.serverKey): it must be what `rendezvous token "
                + "--job \(url.job)` prints with the server's own secret"
        case .staleEpoch:
            "another probe with this token has begun: let it end, or make a token for each "
                + "place (`rendezvous token --job \(Self.jobPrefix)-NAME`, and that job in "
                + "\(JoinConfiguration.Variable.url))"
        case .timedOut:
            "not done within \(timeout) s: is \(address(url)) reachable from here? --timeout "
                + "allows more"
        default: oneLine(error.reason)
        }
    }
}
