// One sandbox: a process that runs the package, frozen between invocations, ended at the time limit.
// This file is its life; what it says to its process is in RuntimeEndpoint.
@preconcurrency import Glibc
import CompactJSON
import Lab
import Processes

final class Sandbox: Sendable {
    /// How an invocation ended, as far as the sandbox is concerned.
    enum Outcome: Sendable {
        case response([UInt8])
        /// The error document, the function's own or the platform's.
        case failed([UInt8])

        /// An error of the platform's.
        static func failed(type: String, _ id: String, _ reason: String) -> Outcome {
            .failed(
                Array(
                    JSONValue.object([
                        JSONField("errorType", .string(type)),
                        JSONField("errorMessage", .string("RequestId: \(id) Error: \(reason)")),
                    ]).description.utf8))
        }
    }

    struct State: Sendable {
        /// When it asked for its first event.
        var readyTime: ContinuousClock.Instant?
        /// Does it wait for an event, in `next`?
        var isIdle = false
        var isFrozen = false
        /// To be given to the process at its next `next`.
        var pending: Delivery?
        /// What it works on.
        var current: Delivery?
        var outcome: Outcome?
        /// When the process got the event, and when the platform ends it.
        var started: ContinuousClock.Instant?
        /// Why there is no process any more.
        var end: String?
    }

    struct Delivery: Sendable {
        var requestID: String
        var payload: [UInt8]
        var timeout: Duration
    }

    let number: Int
    /// Where in the laboratory it is.
    let node: String
    let log: SandboxLog
    let state = Monitor(State())
    /// Since its process was started.
    let startTime: ContinuousClock.Instant
    private let process: pid_t
    private let group: ControlGroup
    private let listener: Listener

    /// Starts the process; does not wait for it.
    init(
        number: Int, node: String, in lab: Lab, _ settings: FunctionSettings, name: String,
        taskFolder: String, rootFolder: String, sink: @escaping @Sendable (String) -> Void
    ) throws(LaunchError) {
        self.number = number
        self.node = node
        group = ControlGroup(
            name, memoryMegabytes: settings.memoryMegabytes, processors: settings.processors)
        listener = try lab.at(node) { () throws(LaunchError) in
            try Listener(SandboxCommand.runtimeAddress, port: SandboxCommand.runtimePort)
        }
        let command = SandboxCommand(
            taskFolder: taskFolder, rootFolder: rootFolder, groups: group.folders,
            environment: SandboxCommand.environment(settings, sandbox: name))
        let pipe = try makePipe()
        defer { close(pipe.write) }
        startTime = .now
        do throws(LaunchError) {
            let (executable, arguments) = try command.arguments(in: lab, on: node)
            process = try spawn(
                executable, arguments, [:], input: nil, output: pipe.write, error: pipe.write)
        } catch {
            close(listener.descriptor)
            close(pipe.read)
            group.remove()
            throw error
        }
        log = SandboxLog(pipe.read, sink: sink)
        runOnThread { [self] in reap() }
        let endpoint = RuntimeEndpoint(sandbox: self, functionARN: settings.functionARN)
        listener.serve { endpoint.serve($0) }
    }

    /// Waits for the end of the process.
    private func reap() {
        var status: Int32 = 0
        while waitpid(process, &status, 0) == -1 && errno == EINTR {}
        state.with {
            $0.end = Sandbox.words(status)
            $0.isIdle = false
        }
        listener.stop()
        group.remove()
    }

    /// As AWS says it. The shell in the sandbox turns signals into exit codes.
    private static func words(_ status: Int32) -> String {
        let code = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
        if code == 128 + SIGKILL { return "signal: killed" }
        return code > 128 ? "signal: \(code - 128)" : "exit status \(code)"
    }

    var isAlive: Bool { state.with { $0.end == nil } }
    var peakMegabytes: Int? { group.peakMegabytes }

    // MARK: One invocation

    /// Gives the process an event and waits for what comes of it.
    ///
    /// - Precondition: nobody else uses the sandbox.
    func invoke(_ delivery: Delivery) -> Outcome {
        state.with {
            $0.outcome = nil
            $0.started = nil
            $0.pending = delivery
            setFrozen(false, &$0)
        }
        let id = delivery.requestID
        let initDeadline = ContinuousClock.now + FunctionSettings.initTimeout
        enum Progress { case started(ContinuousClock.Instant), ended(Outcome) }
        let progress = state.wait(until: initDeadline) { state -> Progress? in
            if let started = state.started { return .started(started) }
            if let outcome = state.outcome { return .ended(outcome) }
            return state.end.map { .ended(Sandbox.exited(id, $0)) }
        }
        switch progress {
        case nil:
            kill()
            return .failed(
                type: "Sandbox.Timedout", id,
                "the function did not ask for its event within \(FunctionSettings.initTimeout)")
        case .ended(let outcome): return outcome
        case .started(let started):
            let outcome = state.wait(until: started + delivery.timeout) { state -> Outcome? in
                state.outcome ?? state.end.map { Sandbox.exited(id, $0) }
            }
            if let outcome { return outcome }
            kill()
            return .failed(
                type: "Sandbox.Timedout", id,
                "Task timed out after \(hundredths(delivery.timeout)) seconds")
        }
    }

    private static func exited(_ id: String, _ how: String) -> Outcome {
        .failed(type: "Runtime.ExitError", id, "Runtime exited with error: \(how)")
    }

    /// Waits until the sandbox can take another event; false if it has ended, or does not come back.
    func becomesIdle(within timeout: Duration) -> Bool {
        state.wait(until: .now + timeout) { state -> Bool? in
            if state.end != nil { return false }
            return state.isIdle ? true : nil
        } ?? false
    }

    // MARK: Force

    /// Stops the process, or lets it go on; what the platform does between invocations.
    func setFrozen(_ isFrozen: Bool) { state.with { setFrozen(isFrozen, &$0) } }

    func setFrozen(_ isFrozen: Bool, _ state: inout State) {
        guard state.isFrozen != isFrozen, state.end == nil else { return }
        state.isFrozen = isFrozen
        if !group.setFrozen(isFrozen) { Glibc.kill(-process, isFrozen ? SIGSTOP : SIGCONT) }
    }

    func kill() {
        state.with { state in
            guard state.end == nil else { return }
            // First, as in this order nothing of it runs on.
            Glibc.kill(-process, SIGKILL)
            state.isFrozen = true
            setFrozen(false, &state)
        }
    }

    /// Ends it and waits until it is gone.
    func stop() {
        kill()
        _ = state.wait(until: .now + .seconds(5)) { $0.end }
    }
}

/// Seconds with two decimals, as AWS writes them.
func hundredths(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    let rest = attoseconds / 10_000_000_000_000_000
    return "\(seconds).\(rest < 10 ? "0" : "")\(rest)"
}
