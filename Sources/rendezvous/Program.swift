// The rendezvous server as a program: `serve`, and the two commands that make the secrets it
// needs. docs/OPERATING.md says how they go together.

import Glibc
import Logging
import MessagePassing
import ServerlessMPI

@main enum Program {
    static let usage = """
        rendezvous serve [--config FILE] [--SETTING VALUE] …
            Lets the ranks of jobs find each other. Prints `listening HOST:PORT observer PORT`
            once it does; the observer port goes into the join URL. Logs to standard error.
            FILE holds lines `SETTING = VALUE`; options override it. The settings:
        \(settingsText)
        rendezvous token --job JOB [--secret-file FILE]
            Prints the two secrets that the ranks of JOB need in their environment.
        rendezvous secret
            Prints a new operator secret: 64 hexadecimal digits.

        The operator secret is in FILE, or in the environment variable RENDEZVOUS_SECRET.
        """

    private static var settingsText: String {
        let width = ServerSetting.all.map(\.name.count).max() ?? 0
        return ServerSetting.all.map { setting in
            let padding = String(repeating: " ", count: width - setting.name.count)
            return "      \(setting.name)\(padding)  \(setting.help)"
        }.joined(separator: "\n")
    }

    static func main() {
        do throws(MPIError) {
            try run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            let line = Array("rendezvous: \(error.reason)\n".utf8)
            _ = write(STDERR_FILENO, line, line.count)
            exit(error.code == .invalidArgument ? 2 : 1)
        }
    }

    private static func run(_ arguments: [String]) throws(MPIError) {
        guard let command = arguments.first else { throw wrong("say what to do:\n\(usage)") }
        var options = try Options(arguments.dropFirst())
        switch command {
        case "serve":
            try serve(try ServerSettings(options: options))
        case "token":
            guard let job = options.take("--job"), JoinURL.isJobName(job) else {
                throw wrong("--job must be 1 to 64 of the characters A-Z a-z 0-9 . _ -")
            }
            let secret = try operatorSecret(options.take("--secret-file"))
            try options.finish()
            let tokens = JobTokens(operatorSecret: secret, job: job)
            print("\(JoinConfiguration.Variable.serverKey)=\(tokens.serverKey.hex)")
            print("\(JoinConfiguration.Variable.peerSecret)=\(tokens.peerSecret.hex)")
        case "secret":
            try options.finish()
            print(Secret.random().hex)
        case "help", "--help", "-h": print(usage)
        default: throw wrong("there is no command \(command):\n\(usage)")
        }
    }

    private static func serve(_ settings: ServerSettings) throws(MPIError) {
        let secret = try operatorSecret(settings.secretFile)
        let logger = logger(settings)
        // Blocked before any thread starts, so that only the wait below receives them.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        DescriptorLimit.raise()
        let server = try RendezvousServer.start(
            listen: settings.listen, observerPort: settings.observerPort, secret: secret,
            limits: settings.limits, logger: logger)
        if let address = settings.statusAddress {
            let status = try StatusPort(address, server)
            try status.start()
            logger.info("status", metadata: ["address": "\(status.address)"])
        }
        print("listening \(server.address) observer \(server.observerPort)")
        fflush(nil)
        ServiceManager.tell(.ready, "listening on \(server.address)")
        var received: Int32 = 0
        sigwait(&signals, &received)
        ServiceManager.tell(.stopping, "draining")
        if received == SIGTERM { drain(server, settings.drainTimeout, &signals) }
        server.stop()
    }

    /// Until the jobs that are here are over, the time is up, or another signal comes.
    private static func drain(
        _ server: RendezvousServer, _ limit: Duration, _ signals: inout sigset_t
    ) {
        server.drain(limit: limit)
        var slice = timespec(tv_sec: 0, tv_nsec: 20_000_000)
        while !server.hasEnded, sigtimedwait(&signals, nil, &slice) < 0 {}
    }

    private static func logger(_ settings: ServerSettings) -> Logger {
        var logger =
            switch settings.logFormat {
            case .text:
                Logger(
                    label: "rendezvous", factory: { StreamLogHandler.standardError(label: $0) })
            case .json: Logger(label: "rendezvous", factory: { JSONLogHandler(label: $0) })
            }
        logger.logLevel = settings.logLevel
        return logger
    }

    private static func operatorSecret(_ path: String?) throws(MPIError) -> Secret {
        if let path {
            guard let text = TextFile.read(path, byteCountMax: 4096) else {
                throw wrong("cannot read the secret file \(path)")
            }
            guard let secret = Secret(hex: String(text.prefix { !$0.isWhitespace })) else {
                throw wrong("the secret file must hold 64 hexadecimal digits: `rendezvous secret`")
            }
            return secret
        }
        guard let text = getenv("RENDEZVOUS_SECRET").map({ String(cString: $0) }) else {
            throw wrong("give the operator secret by --secret-file or RENDEZVOUS_SECRET")
        }
        guard let secret = Secret(hex: text) else {
            throw wrong("RENDEZVOUS_SECRET must be 64 hexadecimal digits: `rendezvous secret`")
        }
        return secret
    }

    static func wrong(_ reason: String) -> MPIError { .invalidArgument("rendezvous", reason) }
}
