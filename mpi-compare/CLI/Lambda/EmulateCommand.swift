// `mpi-compare lambda emulate`: AWS Lambda on this machine, for one package.
import AWSClient
import ArgumentParser
@preconcurrency import Glibc
import LambdaEmulator
import Launchers
import Processes
import ServerlessMPI
import Workloads

struct EmulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "emulate",
        abstract: "Run a package as AWS Lambda would, on this machine, behind its Invoke API.",
        discussion: """
            Every sandbox is a process in its own network, behind its own NAT, with the memory, the \
            share of processors, the bandwidth and the file system of a function. A rendezvous \
            server is in the same laboratory. Requests must be signed with AWS_ACCESS_KEY_ID and \
            AWS_SECRET_ACCESS_KEY of this command's environment, if they are set. Ends on INT or \
            TERM. Needs root, iproute2, nftables and unzip.
            """)

    @Option(help: "The zip.")
    var package = "function.zip"

    @Option(help: "Name of the function.")
    var name = FunctionSettings().name

    @Option(help: "Memory in MB; 1769 MB are one processor.")
    var memory = FunctionSettings().memoryMegabytes

    @Option(help: "Time limit in seconds.")
    var timeout = 60

    @Option(help: "Sandboxes at the same time; more invocations are throttled.")
    var concurrency = FunctionSettings().concurrency

    @Option(help: "Port of the Invoke API on the loopback interface; 0 for any.")
    var port: UInt16 = 0

    @Option(help: "Mbit/s of each sandbox, each way.")
    var bandwidth = FunctionSettings().megabitsPerSecond ?? 600

    @Option(help: "Milliseconds before the process of a cold start, as 200 or 100-400.")
    var coldStart = "0"

    @Option(help: "Draws the cold starts.")
    var seed: UInt64 = 1

    @Option(help: "Seconds between the tries of an event, comma-separated.")
    var retries = "60,120"

    @Option(help: "A variable of the function's environment, NAME=VALUE; repeatable.")
    var environment: [String] = []

    @Option(
        help: ArgumentHelp(
            "An accident; repeatable.",
            discussion: """
                crash, crash-after (the answer), freeze, duplicate, late, lost (answer) or throttle; \
                with ,rank=R for the invocation of that rank, ,count=N for N invocations, ,after=MS \
                and ,lasting=MS.
                """))
    var fault: [String] = []

    @Option(help: "The file of the rendezvous server's secret; a new secret if none is given.")
    var secretFile: String?

    func run() throws {
        let settings = try settings()
        let faults = try fault.map { try Fault(parsing: $0) }
        let credentials = credentials()
        let secret = try secretFile.map { try operatorSecret(inFile: $0) } ?? .random()
        let signals = try SignalPipe()
        defer { signals.close() }
        let emulator = try Emulator(
            package: package, settings, credentials: credentials, port: port
        ) { line in writeLine(line, to: .standardError) }
        defer { emulator.stop() }
        emulator.arrange(faults)
        let server = try startServer(in: emulator.lab, secret: secret)
        defer { server.stop() }
        print("invoke \(emulator.endpoint) function \(settings.name)")
        print("rendezvous \(server.address) observer \(server.observerPort)")
        fflush(nil)
        _ = signals.wait()
    }

    private func settings() throws -> FunctionSettings {
        var settings = FunctionSettings()
        settings.name = name
        settings.memoryMegabytes = memory
        settings.timeout = .seconds(timeout)
        settings.concurrency = concurrency
        settings.megabitsPerSecond = bandwidth
        settings.seed = seed
        let delay = try LambdaArguments.range(coldStart)
        settings.coldStartDelay =
            .milliseconds(delay.lowerBound) ... .milliseconds(delay.upperBound)
        settings.retryDelays = try retries.split(separator: ",").map { text in
            guard let seconds = Double(text), seconds >= 0, seconds <= 3600 else {
                throw UsageError("--retries \(retries): give seconds, comma-separated, as 60,120")
            }
            return .seconds(seconds)
        }
        for text in environment {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw UsageError("--environment \(text): give NAME=VALUE")
            }
            settings.environment[String(text[..<equals])] =
                String(text[text.index(after: equals)...])
        }
        return settings
    }

    /// Nil, and every request is accepted, if the environment has none.
    private func credentials() -> Credentials? { try? .fromEnvironment() }
}
