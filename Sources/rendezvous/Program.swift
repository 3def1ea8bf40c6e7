// The rendezvous server as a program: `serve`, and the two commands that make the secrets it
// needs. docs/OPERATING.md says how they go together.

import Glibc
import Logging
import MessagePassing
import ServerlessMPI

@main enum Program {
    static let usage = """
        rendezvous serve [--listen HOST:PORT] [--observer-port PORT] [--secret-file FILE]
                         [--log-level LEVEL]
            Lets the ranks of jobs find each other. Prints `listening HOST:PORT observer PORT`
            once it does; port 0 (the default is 127.0.0.1:0) takes any free one. The observer
            port, any free one by default, goes into the join URL. Logs to standard error.
        rendezvous token --job JOB [--secret-file FILE]
            Prints the two secrets that the ranks of JOB need in their environment.
        rendezvous secret
            Prints a new operator secret: 64 hexadecimal digits.

        The operator secret is in FILE, or in the environment variable RENDEZVOUS_SECRET.
        """

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
            let listen = options.take("--listen") ?? "127.0.0.1:0"
            let level = options.take("--log-level") ?? "info"
            guard let observer = UInt16(options.take("--observer-port") ?? "0") else {
                throw wrong("--observer-port must be a port, 0 for any")
            }
            let secret = try operatorSecret(&options)
            try options.finish()
            try serve(listen, observer, level, secret)
        case "token":
            guard let job = options.take("--job"), JoinURL.isJobName(job) else {
                throw wrong("--job must be 1 to 64 of the characters A-Z a-z 0-9 . _ -")
            }
            let secret = try operatorSecret(&options)
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

    private static func serve(
        _ listen: String, _ observer: UInt16, _ levelName: String, _ secret: Secret
    ) throws(MPIError) {
        guard let level = Logger.Level(rawValue: levelName) else {
            throw wrong("--log-level must be trace, debug, info, notice, warning or error")
        }
        var logger = Logger(
            label: "rendezvous", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = level
        // Blocked before any thread starts, so that only sigwait below receives them.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        DescriptorLimit.raise()
        let server = try RendezvousServer.start(
            listen: listen, observerPort: observer, secret: secret, logger: logger)
        print("listening \(server.address) observer \(server.observerPort)")
        fflush(nil)
        var received: Int32 = 0
        sigwait(&signals, &received)
        server.stop()
    }

    private static func operatorSecret(_ options: inout Options) throws(MPIError) -> Secret {
        if let path = options.take("--secret-file") {
            guard let text = firstLine(of: path) else {
                throw wrong("cannot read the secret file \(path)")
            }
            guard let secret = Secret(hex: text) else {
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

    private static func firstLine(of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count).prefix { $0 > 0x20 }, as: UTF8.self)
    }

    static func wrong(_ reason: String) -> MPIError { .invalidArgument("rendezvous", reason) }
}

/// `--name value` pairs.
private struct Options {
    private var values: [String: String] = [:]

    init(_ arguments: ArraySlice<String>) throws(MPIError) {
        var rest = arguments
        while let name = rest.popFirst() {
            guard name.hasPrefix("--"), let value = rest.popFirst() else {
                throw Program.wrong("\(name) is no option with a value:\n\(Program.usage)")
            }
            values[name] = value
        }
    }

    mutating func take(_ name: String) -> String? { values.removeValue(forKey: name) }

    func finish() throws(MPIError) {
        guard let unknown = values.keys.min() else { return }
        throw Program.wrong("there is no option \(unknown):\n\(Program.usage)")
    }
}
