// The worlds a program can be started in, and what each needs.
@preconcurrency import Glibc
import Processes

/// Where a job's ranks live and how they talk.
public enum Environment: String, Sendable, CaseIterable {
    /// Ranks are threads of one process.
    case threads
    /// Open MPI's own choice of transports: shared memory on one machine.
    case openmpi
    /// Open MPI held to TCP, the fair peer of a TCP library.
    case openMPITCP = "openmpi-tcp"
    /// ServerlessMPI without encryption, as Open MPI has none.
    case serverless
    /// ServerlessMPI with TLS 1.3 on every connection.
    case serverlessTLS = "serverless-tls"
    /// ServerlessMPI without encryption, with links that survive their connections also within this
    /// host: beside `serverless` it shows what that costs.
    case serverlessResume = "serverless-resume"
    /// ServerlessMPI without encryption, every rank in a network of its own behind a NAT router.
    case serverlessNAT = "serverless-nat"
    /// Functions in an emulator of AWS Lambda on this machine, each behind its own NAT; without
    /// encryption, as serverless-nat.
    case lambdaLocal = "lambda-local"
    /// Functions of AWS Lambda, encrypted.
    case lambda
    /// ServerlessMPI through a Redis server.
    case redis
    /// ServerlessMPI through S3, or a local server that speaks its protocol.
    case s3

    public var backend: Backend {
        switch self {
        case .threads: .threads
        case .openmpi, .openMPITCP: .openmpi
        case .serverless, .serverlessTLS, .serverlessResume, .serverlessNAT, .redis, .s3:
            .serverless
        case .lambdaLocal, .lambda: .lambda
        }
    }

    /// Do ranks talk through a store?
    public var isStorage: Bool { self == .redis || self == .s3 }

    /// Can its ranks use stores beside their links?
    public var hasChannels: Bool { self == .serverless || self == .serverlessTLS }

    public var isEncrypted: Bool { self == .serverlessTLS || self == .lambda }

    /// Every name, for messages.
    public static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    /// - Throws: `LaunchError` listing the names if `name` is none of them.
    public init(named name: String) throws(LaunchError) {
        guard let environment = Environment(rawValue: name) else {
            throw LaunchError("there is no environment \(name); choose from: \(Environment.names)")
        }
        self = environment
    }
}

/// The library a program is linked to.
public enum Backend: String, Sendable, CaseIterable {
    case threads, openmpi, serverless, lambda

    /// The module that a program imports for it.
    public var module: String {
        switch self {
        case .threads: "ThreadMPI"
        case .openmpi: "SwiftMPI"
        case .serverless: "ServerlessMPI"
        case .lambda: "LambdaMPI"
        }
    }
}

/// Processors of this machine that are online.
public func processorCount() -> Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
