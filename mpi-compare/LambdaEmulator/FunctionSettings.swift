// What a function is allowed, in AWS's own terms, and what follows from its memory size.

/// The settings of the one function that an emulator runs.
public struct FunctionSettings: Sendable {
    public var name = "mpi"
    /// 128 … 10 240 MB. It decides the share of processors, too.
    public var memoryMegabytes = 1769
    /// 1 … 900 s.
    public var timeout: Duration = .seconds(60)
    /// Sandboxes at the same time; one more invocation is throttled.
    public var concurrency = 4
    /// Set in every sandbox.
    public var environment: [String: String] = [:]
    /// Of every sandbox, each way. Measured by others (github.com/sjakthol/aws-network-benchmark,
    /// its issue 1), functions have about 600 Mbit/s, sustained, at every memory size up to 10 GB,
    /// after a burst that is not emulated. Since August 2026 AWS documents more for functions of
    /// 2 GB and more outside a VPC: 625 Mbit/s at 2 GB, in proportion up to 3 000 at 10 GB.
    public var megabitsPerSecond: Int? = 600
    /// How long the platform takes to find a place for a new sandbox, before the process starts.
    /// Drawn evenly from the range, by the seed.
    public var coldStartDelay: ClosedRange<Duration> = .zero ... .zero
    public var seed: UInt64 = 1
    /// Waits between the tries of an asynchronous invocation; AWS: one minute, then two.
    public var retryDelays: [Duration] = [.seconds(60), .seconds(120)]

    public init() {}

    public static let region = "us-east-1"
    static let account = "123456789012"

    var functionARN: String {
        "arn:aws:lambda:\(FunctionSettings.region):\(FunctionSettings.account):function:\(name)"
    }

    /// 1769 MB are one virtual processor.
    public var processors: Double { Double(memoryMegabytes) / 1769 }

    /// How long a process may take from its start to its first `next`.
    static let initTimeout = Duration.seconds(10)
    static let temporaryMegabytes = 512
    static let openFilesMax = 1024
    /// Of requests and results.
    static let synchronousPayloadByteCountMax = 6 << 20
    static let asynchronousPayloadByteCountMax = 1 << 20

    /// What is wrong with the settings, in one line; nil if nothing is.
    public var complaint: String? {
        if !(128...10_240).contains(memoryMegabytes) {
            return "a function has 128 to 10240 MB of memory, not \(memoryMegabytes)"
        }
        if timeout < .seconds(1) || timeout > .seconds(900) {
            return "a function's time limit is 1 to 900 s, not \(timeout)"
        }
        if concurrency < 1 { return "a function needs a concurrency of at least 1" }
        let isName =
            (1...64).contains(name.utf8.count)
            && name.allSatisfy {
                $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_")
            }
        return isName ? nil : "a function's name is 1 to 64 of A-Z a-z 0-9 - _"
    }
}
