// ServerlessMPI through a store: the same programs as with direct connections, another join URL.
@preconcurrency import Glibc
import Lab
import Processes
import ServerlessMPI

/// Which store a job uses.
public enum StoreChoice: Sendable, Equatable {
    /// A server for this job alone; for S3 of the kind given, if one is.
    case own(S3Server?)
    /// One that is there.
    case given(StorageURL.Place)

    /// `redis://HOST:PORT`, `s3://BUCKET/FOLDER?endpoint=URL&region=NAME`, or the name of a local
    /// S3 server.
    public init(parsing text: String) throws(LaunchError) {
        if let kind = S3Server(rawValue: text) {
            self = .own(kind)
            return
        }
        do {
            self = .given(try StorageURL.place(parsing: text))
        } catch {
            throw LaunchError(
                "--store \(text): \(error.reason); give redis://HOST:PORT, "
                    + "'s3://BUCKET/FOLDER?endpoint=URL' or one of: "
                    + S3Server.allCases.map(\.rawValue).joined(separator: ", "))
        }
    }
}

/// Starts a server unless one is given, and one process per rank that joins through it.
func runStorageJob(
    _ executable: String, _ request: LaunchRequest, _ output: (OutputLine) -> Void
) throws(LaunchError) -> JobEnd {
    let place: StorageURL.Place
    var variables: [String: String] = [:]
    var server: StorageServer?
    switch request.store {
    case .given(let given):
        let isRedis = if case .redis = given { true } else { false }
        guard isRedis == (request.environment == .redis) else {
            throw LaunchError("--store is no store of environment \(request.environment.rawValue)")
        }
        place = given
    case .own(let kind):
        let own =
            request.environment == .redis ? try StorageServer.redis() : try StorageServer.s3(kind)
        place = own.place
        variables = own.variables
        server = own
    }
    defer { server?.stop() }
    var url = StorageURL(place: place, job: "launch-\(getpid())", size: request.ranks)
    // Jobs of one launcher through one store follow each other.
    url.epoch = UInt64(max(0, time(nil)))
    if let seconds = request.operationTimeoutSeconds { url.timeout = .seconds(seconds) }
    variables[JoinConfiguration.Variable.url] = url.description
    let plans = (0..<request.ranks).map { rank in
        ProcessPlan(
            executable: executable, arguments: request.arguments,
            environment: variables.merging(
                [JoinConfiguration.Variable.rank: String(rank)], uniquingKeysWith: { $1 }),
            rank: rank)
    }
    return try runJob(plans, request.job, output: output)
}

/// Why no server can be started for an environment; nil if one can, or needs none.
public func reasonStoreIsUnavailable(_ environment: Environment) -> String? {
    switch environment {
    case .redis where findSystemProgram("redis-server") == nil:
        "there is no redis-server: apt-get install redis-server"
    case .s3 where S3Server.installed == nil:
        "there is no ministack or moto_server in PATH or .venv-aws/bin: scripts/setup --tests"
    default: nil
    }
}
