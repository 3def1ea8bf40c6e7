// Where a job's functions are: on this machine, in an emulator that is started here and kept for job
// after job, so that later ones find warm sandboxes; or on AWS.
import AWSClient
@preconcurrency import Glibc
import LambdaEmulator
import MessagePassing
import Processes
import ServerlessMPI

/// A function that is ready to be invoked, and a rendezvous server that its sandboxes reach.
public final class LambdaSession: Sendable {
    let client: FunctionClient
    let options: LambdaOptions
    /// Of the function.
    public let memoryMegabytes: Int
    let timeout: Duration
    let isEncrypted: Bool
    private let rendezvous: Rendezvous
    private let emulator: Emulator?
    /// Who reads what functions have stored; nil in an emulator, from which no store is reached.
    private let reader: StoreReader?

    /// A server started here, or one that runs elsewhere and whose secret is known.
    private enum Rendezvous: Sendable {
        case own(RendezvousServer)
        case found(host: String, port: UInt16, observer: UInt16?, secret: Secret)
    }

    /// How many ranks of a job share a function.
    public var ranksPerFunction: Int {
        options.ranksPerFunction
            ?? LambdaOptions.ranksPerFunction(memoryMegabytes: memoryMegabytes)
    }

    private struct StoreReader: Sendable {
        let region: String
        let endpoint: Endpoint?
        let credentials: Credentials
    }

    /// The largest stored answer that is read.
    private static let storedByteCountMax = 256 << 20

    /// An answer that a function has put into S3; it is removed there.
    func fetch(
        _ place: String, deadline: ContinuousClock.Instant
    ) throws(AWSError) -> [UInt8] {
        let parts = place.dropFirst("s3://".count).split(separator: "/", maxSplits: 1)
        guard let reader, place.hasPrefix("s3://"), parts.count == 2 else {
            throw AWSError(
                .invalidArgument, operation: "fetch", reason: "\(place.prefix(200)) cannot be read")
        }
        let client = S3Client(
            bucket: String(parts[0]), region: reader.region, endpoint: reader.endpoint,
            credentials: reader.credentials)
        let key = String(parts[1])
        let object = try client.get(
            key, byteCountMax: Self.storedByteCountMax, deadline: deadline)
        guard let object else {
            throw AWSError(.malformed, operation: "fetch \(place)", reason: "it is not there")
        }
        try client.delete(key, deadline: deadline)
        return object.bytes
    }

    // MARK: This machine

    /// Starts an emulator with a rendezvous server in its laboratory; `stop` ends both.
    ///
    /// - Parameters:
    ///   - ranks: of the largest job.
    ///   - log: gets every line that functions write; they come with a job's answers, too.
    /// - Throws: `LaunchError`; then nothing is left.
    public init(
        emulating package: String, ranks: Int, _ options: LambdaOptions, isEncrypted: Bool = false,
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(LaunchError) {
        let perFunction =
            options.ranksPerFunction
            ?? LambdaOptions.ranksPerFunction(memoryMegabytes: options.memoryMegabytes)
        var settings = FunctionSettings()
        settings.memoryMegabytes = options.memoryMegabytes
        settings.timeout = .seconds(options.timeoutSeconds)
        settings.concurrency = options.concurrency ?? (ranks + perFunction - 1) / perFunction
        settings.megabitsPerSecond = options.megabitsPerSecond ?? settings.megabitsPerSecond
        settings.seed = options.seed
        settings.coldStartDelay =
            .milliseconds(
                options.coldStartMilliseconds.lowerBound)
            ... .milliseconds(options.coldStartMilliseconds.upperBound)
        let credentials = Credentials(
            accessKeyID: "LOCAL", secretAccessKey: Secret.random().hex)
        let emulator = try Emulator(
            package: package, settings, credentials: credentials, sink: log)
        do throws(LaunchError) {
            rendezvous = .own(try startServer(in: emulator.lab))
            client = FunctionClient(
                endpoint: try endpoint(emulator.endpoint), region: FunctionSettings.region,
                credentials: credentials, function: settings.name)
        } catch {
            emulator.stop()
            throw error
        }
        self.emulator = emulator
        reader = nil
        self.options = options
        self.isEncrypted = isEncrypted
        memoryMegabytes = settings.memoryMegabytes
        timeout = settings.timeout
    }

    /// Accidents to happen to the next invocations that they concern; only in an emulator.
    public func arrange(_ faults: [Fault]) { emulator?.arrange(faults) }

    /// Invocations in the emulator that have not ended: duplicates, late events.
    public var runningInvocations: Int { emulator?.runningInvocations ?? 0 }

    // MARK: AWS

    /// Asks AWS, or whatever `AWS_ENDPOINT_URL_LAMBDA` names, for the function's settings.
    ///
    /// - Parameter lookup: of the environment variables every AWS tool knows: `AWS_REGION`,
    ///   `AWS_ACCESS_KEY_ID` and so on.
    /// - Throws: `LaunchError` naming what is not set, or why the function cannot be had.
    public init(
        onAWS options: LambdaOptions, isEncrypted: Bool = true,
        _ lookup: (String) -> String? = { getenv($0).map { String(cString: $0) } }
    ) throws(LaunchError) {
        guard let function = options.function else {
            throw LaunchError("environment lambda needs --function, the name or ARN of a function")
        }
        guard let region = lookup("AWS_REGION") ?? lookup("AWS_DEFAULT_REGION") else {
            throw LaunchError("AWS_REGION is not set: export the region of the function")
        }
        rendezvous = try LambdaSession.findRendezvous(options)
        do throws(AWSError) {
            let credentials = try Credentials.from(lookup)
            let store = lookup("AWS_ENDPOINT_URL_S3") ?? lookup("AWS_ENDPOINT_URL")
            reader = StoreReader(
                region: region,
                endpoint: try store.map { text throws(AWSError) in try Endpoint(parsing: text) },
                credentials: credentials)
            client = FunctionClient(
                endpoint: try .of(service: "lambda", region: region, lookup), region: region,
                credentials: credentials, function: function)
            (memoryMegabytes, timeout) = try client.settings(deadline: .now + .seconds(30))
        } catch {
            throw LaunchError("\(error)")
        }
        emulator = nil
        self.options = options
        self.isEncrypted = isEncrypted
    }

    private static func findRendezvous(
        _ options: LambdaOptions
    ) throws(LaunchError) -> Rendezvous {
        guard let place = options.rendezvous, let colon = place.lastIndex(of: ":"),
            let port = UInt16(place[place.index(after: colon)...])
        else {
            throw LaunchError(
                "environment lambda needs --rendezvous HOST:PORT, a server that functions can reach:"
                    + " start `rendezvous serve` on a host with a public address")
        }
        guard let file = options.secretFile else {
            throw LaunchError("--rendezvous needs --secret-file, the file of that server's secret")
        }
        return .found(
            host: String(place[..<colon]), port: port, observer: options.observerPort,
            secret: try operatorSecret(inFile: file))
    }

    /// Ends what was started here.
    public func stop() {
        if case .own(let server) = rendezvous { server.stop() }
        emulator?.stop()
    }

    // MARK: Jobs

    /// The name of another job: one that no launcher anywhere uses at the same server.
    func newJob() -> String { "lambda-" + String(UInt64.random(in: 0...UInt64.max), radix: 16) }

    /// The same secrets for every epoch of a job.
    func tokens(job: String) -> JobTokens {
        switch rendezvous {
        case .own(let server): server.mintTokens(job: job)
        case .found(_, _, _, let secret): JobTokens(operatorSecret: secret, job: job)
        }
    }

    func url(job: String, epoch: UInt64, size: Int) -> JoinURL {
        let (host, port, observer): (String, UInt16, UInt16?) =
            switch rendezvous {
            case .own(let server): (server.host, server.port, server.observerPort)
            case .found(let host, let port, let observer, _): (host, port, observer)
            }
        return JoinURL(
            host: host, port: port, job: job, epoch: epoch, size: size,
            encryption: isEncrypted ? .on : .none,
            joinTimeout: .seconds(options.joinTimeoutSeconds), observerPort: observer)
    }
}

private func endpoint(_ text: String) throws(LaunchError) -> Endpoint {
    do throws(AWSError) {
        return try Endpoint(parsing: text)
    } catch {
        throw LaunchError("\(error)")
    }
}

/// The secret of a rendezvous server: 64 hexadecimal digits, as `rendezvous secret` prints them.
///
/// - Throws: `LaunchError` naming the option and the file.
public func operatorSecret(inFile path: String) throws(LaunchError) -> Secret {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        throw LaunchError("--secret-file \(path): \(lastSystemError())")
    }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = max(0, read(descriptor, &bytes, bytes.count))
    let text = String(decoding: bytes[..<count].prefix { $0 > 0x20 }, as: UTF8.self)
    guard let secret = Secret(hex: text) else {
        throw LaunchError(
            "--secret-file \(path): it must hold 64 hexadecimal digits, from `rendezvous secret`")
    }
    return secret
}
