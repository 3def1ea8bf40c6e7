// What a user may say of the functions that a job runs on.

/// Options of the environments lambda-local and lambda.
public struct LambdaOptions: Sendable {
    /// The package to run; nil to make one from the program.
    public var package: String?
    /// Of lambda-local's function, in MB; lambda's says for itself.
    public var memoryMegabytes = 1769
    /// Time limit of lambda-local's function, in seconds.
    public var timeoutSeconds = 120
    /// Ranks that share a function; nil for as many as it has processors.
    public var ranksPerFunction: Int?
    /// Functions at the same time, on lambda-local; nil for as many as the job needs.
    public var concurrency: Int?
    /// Mbit/s of every sandbox of lambda-local, each way; nil for what functions have on AWS.
    public var megabitsPerSecond: Int?
    /// Milliseconds a cold start takes before the process starts, on lambda-local: from, to.
    public var coldStartMilliseconds = 0...0
    public var seed: UInt64 = 1
    /// How often a failed job is started again, each time in the next epoch.
    public var restarts = 0
    /// Until all ranks of a job must be there, in seconds.
    public var joinTimeoutSeconds = 30
    /// The function to invoke, on lambda: a name or an ARN.
    public var function: String?
    /// A running rendezvous server that functions can reach, for lambda: `HOST:PORT`.
    public var rendezvous: String?
    public var observerPort: UInt16?
    /// The file of that server's secret.
    public var secretFile: String?
    /// Where functions put answers that are too large for Lambda's 6 MB: `s3://BUCKET/FOLDER`.
    public var results: String?

    public init() {}

    /// As many ranks as the memory size has virtual processors, at least one.
    static func ranksPerFunction(memoryMegabytes: Int) -> Int {
        max(1, Int((Double(memoryMegabytes) / 1769).rounded()))
    }
}
