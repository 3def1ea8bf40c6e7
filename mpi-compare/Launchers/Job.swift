// Runs the processes of a job to their common end: lines come out as they are written, signals go
// in, the first failure ends the rest, and nothing is left behind.
@preconcurrency import Glibc
import Processes

public struct JobOptions: Sendable {
    /// From TERM to KILL when a job is ended.
    public var grace: Duration = .seconds(3)
    /// The whole job; nil for no limit.
    public var timeout: Duration?

    public init() {}
}

/// Starts all processes and blocks until every one, and everything they started, has ended.
///
/// INT, TERM and HUP that reach this process are passed on to the job, a second one becomes KILL.
/// One job at a time per process, as signals belong to the process.
/// - Parameter output: called with every line in the order of arrival.
/// - Throws: `LaunchError` if a process cannot be started; then none is left.
public func runJob(
    _ plans: [ProcessPlan], _ options: JobOptions = JobOptions(),
    output: (OutputLine) -> Void
) throws(LaunchError) -> JobEnd {
    var job = Job(options)
    return try job.run(plans, output)
}

private struct Job {
    private let options: JobOptions
    private let mark = JobMark()
    private var children: [ChildProcess] = []
    private var end: JobEnd?
    /// When TERM becomes KILL; nil before TERM was sent.
    private var killDeadline: ContinuousClock.Instant?
    private var wasKilled = false
    private var buffer = [UInt8](repeating: 0, count: 64 << 10)

    init(_ options: JobOptions) { self.options = options }

    mutating func run(
        _ plans: [ProcessPlan], _ output: (OutputLine) -> Void
    ) throws(LaunchError) -> JobEnd {
        let watchdog = try Watchdog()
        defer { watchdog.dismiss() }
        let signals = try SignalPipe()
        defer { signals.close() }
        let deadline = options.timeout.map { ContinuousClock.now + $0 }
        do throws(LaunchError) {
            for plan in plans {
                let child = try ChildProcess(plan, in: mark)
                watchdog.watch(child.identifier, isStarter: plan.rank == nil)
                children.append(child)
            }
        } catch {
            signalAll(SIGKILL)
            cleanUp(output)
            throw error
        }
        while children.contains(where: { $0.exitCode == nil }) {
            poll(signals, output)
            for number in signals.take() { interrupt(number) }
            checkExits()
            if let deadline, end == nil, ContinuousClock.now >= deadline { finish(.timedOut) }
            if let killDeadline, !wasKilled, ContinuousClock.now >= killDeadline { killAll() }
        }
        cleanUp(output)
        return end ?? .success
    }

    /// Waits for output, a signal, or a short time: a process that ended without closing its
    /// output, because something it started still holds it, is noticed by the clock.
    private mutating func poll(_ signals: SignalPipe, _ output: (OutputLine) -> Void) {
        var descriptors = [pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)]
        for child in children {
            for pipe in [child.standardOutput, child.standardError] {
                descriptors.append(pollfd(fd: pipe.descriptor, events: Int16(POLLIN), revents: 0))
            }
        }
        let intervalMilliseconds: Int32 = 50
        guard Glibc.poll(&descriptors, nfds_t(descriptors.count), intervalMilliseconds) > 0 else {
            return
        }
        for index in children.indices {
            if descriptors[1 + 2 * index].revents != 0 {
                children[index].standardOutput.read(into: &buffer).forEach(output)
            }
            if descriptors[2 + 2 * index].revents != 0 {
                children[index].standardError.read(into: &buffer).forEach(output)
            }
        }
    }

    /// Of several that failed at about the same time, one that a signal killed is the cause and
    /// the others are its victims. The victims may end first: a killed process closes its
    /// connections before it counts as ended.
    private mutating func checkExits() {
        var failed = newFailures()
        if failed.isEmpty { return }
        if end == nil && !failed.contains(where: \.wasKilledBySignal) {
            usleep(Job.causeDelayMicroseconds)
            failed += newFailures()
        }
        guard let cause = failed.first(where: \.wasKilledBySignal) ?? failed.first else { return }
        finish(.failed(exitCode: cause.exitCode ?? 1, rank: cause.rank))
    }

    private static let causeDelayMicroseconds: UInt32 = 50_000

    private mutating func newFailures() -> [ChildProcess] {
        var failed: [ChildProcess] = []
        for index in children.indices where children[index].exitCode == nil {
            children[index].checkExit()
            if let exitCode = children[index].exitCode, exitCode != 0 {
                failed.append(children[index])
            }
        }
        return failed
    }

    private mutating func interrupt(_ number: Int32) {
        if killDeadline != nil {
            killAll()
            return
        }
        finish(.interrupted(signal: number), with: number)
    }

    /// Decides how the job ends, once, and asks what still runs to end.
    private mutating func finish(_ reason: JobEnd, with number: Int32 = SIGTERM) {
        if end != nil { return }
        end = reason
        killDeadline = ContinuousClock.now + options.grace
        signalAll(number)
        signalAll(SIGCONT)
    }

    private mutating func killAll() {
        wasKilled = true
        signalAll(SIGKILL)
    }

    private func signalAll(_ number: Int32) {
        for child in children { child.signal(number) }
    }

    /// Ends what the processes started and left, hands over the last lines, and reaps.
    private mutating func cleanUp(_ output: (OutputLine) -> Void) {
        let leaders = Set(children.map(\.identifier))
        let limit = ContinuousClock.now + .seconds(2)
        signalAll(SIGKILL)
        while true {
            let left = mark.processes(except: leaders)
            if left.isEmpty || ContinuousClock.now >= limit { break }
            for identifier in left { kill(identifier, SIGKILL) }
            usleep(2_000)
        }
        for index in children.indices {
            Job.drain(&children[index].standardOutput, &buffer, output)
            Job.drain(&children[index].standardError, &buffer, output)
            children[index].reap()
        }
        children = []
    }

    private static func drain(
        _ pipe: inout OutputPipe, _ buffer: inout [UInt8], _ output: (OutputLine) -> Void
    ) {
        while pipe.isOpen {
            var descriptor = pollfd(fd: pipe.descriptor, events: Int16(POLLIN), revents: 0)
            guard Glibc.poll(&descriptor, 1, 0) > 0 else { break }
            pipe.read(into: &buffer).forEach(output)
        }
        pipe.end().forEach(output)
    }
}
