// What to start: the one description that every environment produces and `runJob` executes.

/// One process of a job.
public struct ProcessPlan: Sendable, Equatable {
    /// Path of the program.
    public var executable: String
    /// Arguments without the program's own name.
    public var arguments: [String]
    /// Variables added to the launcher's own environment.
    public var environment: [String: String]
    /// The rank its output is prefixed by; nil for a process that stands for all ranks.
    public var rank: Int?
    /// Does it label its output itself, as `mpirun --tag-output` does?
    public var tagsItsOutput: Bool

    public init(
        executable: String, arguments: [String], environment: [String: String] = [:],
        rank: Int? = nil, tagsItsOutput: Bool = false
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.rank = rank
        self.tagsItsOutput = tagsItsOutput
    }
}

public enum OutputStream: Int32, Sendable {
    case standardOutput = 1
    case standardError = 2
}

/// One line that some rank wrote, without its newline.
public struct OutputLine: Sendable, Equatable {
    /// Nil if the line is the starter's own or its rank is unknown.
    public var rank: Int?
    public var stream: OutputStream
    public var text: String

    public init(rank: Int?, stream: OutputStream, text: String) {
        self.rank = rank
        self.stream = stream
        self.text = text
    }
}

/// How a job ended.
public enum JobEnd: Sendable, Equatable {
    case success
    /// The first process that failed; 128 + n if signal n ended it.
    case failed(exitCode: Int32, rank: Int?)
    /// A signal to the launcher ended the job.
    case interrupted(signal: Int32)
    case timedOut

    /// What the launcher returns to its own caller: 124 for a timeout, as timeout(1) does.
    public var exitCode: Int32 {
        switch self {
        case .success: 0
        case .failed(let exitCode, _): exitCode
        case .interrupted(let signal): 128 + signal
        case .timedOut: 124
        }
    }
}
