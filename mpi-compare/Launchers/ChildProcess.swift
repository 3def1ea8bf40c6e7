// One started process, its two pipes, and the certainty that its number stays its own until the
// whole job is over.
@preconcurrency import Glibc
import Processes

/// A child with its output pipes. Reap it last.
struct ChildProcess {
    let identifier: pid_t
    let rank: Int?
    var standardOutput: OutputPipe
    var standardError: OutputPipe
    /// The exit code, 128 + n after signal n; nil while it runs.
    private(set) var exitCode: Int32?
    private(set) var wasKilledBySignal = false

    /// Starts `plan` in a group of its own, with nothing on its input, as a part of `job`.
    init(_ plan: ProcessPlan, in job: JobMark) throws(LaunchError) {
        let output = try makePipe()
        let error: (read: Int32, write: Int32)
        do throws(LaunchError) {
            error = try makePipe()
        } catch let failure {
            close(output.read)
            close(output.write)
            throw failure
        }
        defer {
            close(output.write)
            close(error.write)
        }
        do throws(LaunchError) {
            identifier = try spawn(
                plan.executable, plan.arguments,
                plan.environment.merging([JobMark.variable: job.value]) { $1 }, input: nil,
                output: output.write, error: error.write, leading: .group)
        } catch let failure {
            close(output.read)
            close(error.read)
            throw failure
        }
        rank = plan.rank
        standardOutput = OutputPipe(output.read, .standardOutput, plan)
        standardError = OutputPipe(error.read, .standardError, plan)
    }

    /// Has it ended? Leaves it a zombie, so that its number cannot be given to another process.
    mutating func checkExit() {
        if exitCode != nil { return }
        var info = siginfo_t()
        let result = waitid(P_PID, id_t(identifier), &info, WEXITED | WNOWAIT | WNOHANG)
        guard result == 0, info.si_signo == SIGCHLD else { return }
        let status = info._sifields._sigchld.si_status
        wasKilledBySignal = info.si_code != Int32(CLD_EXITED)
        exitCode = wasKilledBySignal ? 128 + status : status
    }

    /// To the process and everything it started that stayed in its group.
    func signal(_ number: Int32) {
        kill(-identifier, number)
    }

    /// Gives the number back.
    func reap() {
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) == -1 && errno == EINTR {}
    }
}

/// The reading end of a child's output, with the lines that are not complete yet.
struct OutputPipe {
    private(set) var descriptor: Int32
    let stream: OutputStream
    private let rank: Int?
    private var lines = LineSplitter()
    private var tagged: TaggedOutput?

    init(_ descriptor: Int32, _ stream: OutputStream, _ plan: ProcessPlan) {
        self.descriptor = descriptor
        self.stream = stream
        rank = plan.rank
        tagged = plan.tagsItsOutput ? TaggedOutput() : nil
    }

    var isOpen: Bool { descriptor >= 0 }

    /// Reads what is there, once; closes the pipe at its end.
    mutating func read(into buffer: inout [UInt8]) -> [OutputLine] {
        let count = buffer.withUnsafeMutableBytes { bytes in
            Glibc.read(descriptor, bytes.baseAddress, bytes.count)
        }
        if count > 0 {
            let bytes = buffer[..<count]
            if let found = tagged?.add(bytes) {
                return found.map { OutputLine(rank: $0.rank, stream: stream, text: $0.text) }
            }
            return lines.add(bytes).map { OutputLine(rank: rank, stream: stream, text: $0) }
        }
        if count < 0 && (errno == EINTR || errno == EAGAIN) { return [] }
        return end()
    }

    /// Closes the pipe and hands over what had no newline.
    mutating func end() -> [OutputLine] {
        if !isOpen { return [] }
        close(descriptor)
        descriptor = -1
        if let found = tagged?.finish() {
            return found.map { OutputLine(rank: $0.rank, stream: stream, text: $0.text) }
        }
        return lines.finish().map { [OutputLine(rank: rank, stream: stream, text: $0)] } ?? []
    }
}
