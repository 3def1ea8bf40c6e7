// AWS Lambda on one machine, for one function: what `mpi-compare lambda emulate` and the
// environment lambda-local start. Sandboxes are real processes of the real package behind real
// NATs; what is emulated is the service around them.
@preconcurrency import Glibc
import AWSClient
import Lab
import Processes
import Synchronization

public final class Emulator: Sendable {
    public let settings: FunctionSettings
    /// The internet that sandboxes are in; a rendezvous server can be put into it.
    public let lab: Lab
    /// `http://127.0.0.1:PORT`, of the Invoke API.
    public let endpoint: String
    let credentials: Credentials?
    let pool: SandboxPool
    private let folder: WorkFolder
    private let listener: Listener
    private let sink: @Sendable (String) -> Void
    private let faults = Mutex<[Fault]>([])
    private let runningCount = Atomic(0)

    /// What sandboxes have no limit of on this machine: `memory`, `cpu`; and `freezer` where signals
    /// stop them.
    package static var unlimited: [String] { ControlGroup.missing }

    /// Builds the laboratory, unpacks the package, and listens; no sandbox is started yet.
    ///
    /// - Parameters:
    ///   - package: path of the zip.
    ///   - internet: a home for every sandbox; nil for a masquerading NAT for each.
    ///   - credentials: whose signatures are accepted; nil to accept unsigned requests.
    ///   - port: of the Invoke API on the loopback interface; 0 for any.
    ///   - sink: gets every line that functions write, and the platform's own.
    /// - Throws: `LaunchError`; then nothing is left.
    package init(
        package path: String, _ settings: FunctionSettings, internet: Internet? = nil,
        credentials: Credentials?, port: UInt16 = 0,
        sink: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(LaunchError) {
        if let complaint = settings.complaint { throw LaunchError(complaint) }
        self.settings = settings
        self.credentials = credentials
        self.sink = sink
        var internet = internet ?? Topologies.ranks(settings.concurrency)
        internet.lines.megabitsPerSecond =
            internet.lines.megabitsPerSecond ?? settings.megabitsPerSecond
        folder = try WorkFolder(package: path)
        do throws(LaunchError) {
            listener = try Listener("127.0.0.1", port: port)
        } catch {
            folder.remove()
            throw error
        }
        endpoint = "http://127.0.0.1:\(listener.port)"
        do throws(LaunchError) {
            lab = try Lab(internet)
        } catch {
            close(listener.descriptor)
            folder.remove()
            throw error
        }
        pool = SandboxPool(in: lab, settings, folder, sink: sink)
        if let shortcoming = ControlGroup.shortcoming { sink("emulator: \(shortcoming)") }
        let invoke = InvokeEndpoint(emulator: self)
        listener.serve { invoke.serve($0) }
    }

    /// Ends everything. A rendezvous server in the laboratory must have been stopped before.
    public func stop() {
        listener.stop()
        pool.close()
        lab.close()
        folder.remove()
    }

    /// How many sandboxes have been started.
    public var startedSandboxes: Int { pool.startedCount }

    /// Invocations that have not ended, asynchronous ones and duplicates included.
    public var runningInvocations: Int { runningCount.load(ordering: .acquiring) }

    /// Accidents to happen to the next invocations that they concern.
    public func arrange(_ faults: [Fault]) { self.faults.withLock { $0 += faults } }

    func takeFaults(for payload: [UInt8]) -> [Fault.Kind] {
        faults.withLock { $0.take(for: payload) }
    }

    // MARK: Invocations

    struct Ended: Sendable {
        var outcome: Sandbox.Outcome
        var logTail: [UInt8]
    }

    /// Runs one invocation; nil if it is throttled.
    func perform(
        _ payload: [UInt8], requestID: String, _ faults: [Fault.Kind]
    ) -> Ended? {
        runningCount.add(1, ordering: .acquiringAndReleasing)
        defer { runningCount.subtract(1, ordering: .acquiringAndReleasing) }
        for case .lateEvent(let delay) in faults { sleep(delay) }
        let sandbox: Sandbox
        let isNew: Bool
        do throws(LaunchError) {
            guard let taken = try pool.take() else { return nil }
            (sandbox, isNew) = taken
        } catch {
            let outcome = Sandbox.Outcome.failed(
                type: "Runtime.Unknown", requestID, error.description)
            return Ended(outcome: outcome, logTail: [])
        }
        if faults.contains(.duplicateEvent) { deliverTwice(payload, requestID) }
        sandbox.log.begin()
        sandbox.log.add("START RequestId: \(requestID) Version: $LATEST")
        sandbox.arrange(faults)
        let outcome = sandbox.invoke(
            Sandbox.Delivery(requestID: requestID, payload: payload, timeout: settings.timeout))
        if faults.contains(.crashAfterResponse) { sandbox.kill() }
        sandbox.log.drain()
        if case .failed(let body) = outcome {
            sandbox.log.add("ERROR \(String(decoding: body.prefix(1000), as: UTF8.self))")
        }
        sandbox.log.add("END RequestId: \(requestID)")
        sandbox.log.add(report(sandbox, requestID, isNew: isNew))
        let tail = sandbox.log.tail
        pool.giveBack(sandbox)
        return Ended(outcome: outcome, logTail: tail)
    }

    private func deliverTwice(_ payload: [UInt8], _ requestID: String) {
        runOnThread { [self] in
            let ended = perform(payload, requestID: requestID, [])
            if ended == nil { sink("emulator: no room for the duplicate of \(requestID)") }
        }
    }

    /// The line by which AWS says what an invocation took. Init is billed since August 2025.
    private func report(_ sandbox: Sandbox, _ requestID: String, isNew: Bool) -> String {
        let (started, ready) = sandbox.state.with { ($0.started, $0.readyTime) }
        let duration = started.map { ContinuousClock.now - $0 } ?? .zero
        let initTime = isNew ? (ready ?? .now) - sandbox.startTime : .zero
        let billed = Int(((duration + initTime).inSeconds * 1000).rounded(.up))
        var fields = [
            "REPORT RequestId: \(requestID)", "Duration: \(milliseconds(duration)) ms",
            "Billed Duration: \(billed) ms", "Memory Size: \(settings.memoryMegabytes) MB",
        ]
        if let peak = sandbox.peakMegabytes { fields.append("Max Memory Used: \(peak) MB") }
        if isNew { fields.append("Init Duration: \(milliseconds(initTime)) ms") }
        return fields.joined(separator: "\t")
    }

    private func milliseconds(_ duration: Duration) -> String { hundredths(duration * 1000) }

    /// An asynchronous invocation: tried again after a failure, by default twice, with the same
    /// request id; while it is throttled it waits.
    func enqueue(_ payload: [UInt8], requestID: String, _ faults: [Fault.Kind]) {
        runOnThread { [self] in
            var faults = faults
            for number in 0...settings.retryDelays.count {
                if number > 0 { sleep(settings.retryDelays[number - 1]) }
                var ended = perform(payload, requestID: requestID, faults)
                var pause = Duration.milliseconds(100)
                while ended == nil, pause < .seconds(60) {
                    sleep(pause)
                    pause *= 2
                    ended = perform(payload, requestID: requestID, faults)
                }
                faults = takeFaults(for: payload)
                if case .response? = ended?.outcome { return }
            }
            sink("emulator: the event \(requestID) failed for good")
        }
    }
}

extension Sandbox {
    /// Sets off the accidents that happen while the process works.
    func arrange(_ faults: [Fault.Kind]) {
        for fault in faults {
            switch fault {
            case .crashBeforeResponse(let delay): strike(after: delay) { self.kill() }
            case .freeze(let delay, let lasting):
                strike(after: delay) {
                    self.setFrozen(true)
                    sleep(lasting)
                    self.setFrozen(false)
                }
            default: break
            }
        }
    }

    /// So long after the process got its event, unless it has answered by then.
    private func strike(after delay: Duration, _ body: @escaping @Sendable () -> Void) {
        runOnThread { [self] in
            let limit = ContinuousClock.now + FunctionSettings.initTimeout
            // A warm sandbox still shows what the invocation before began.
            let isStarted = state.wait(until: limit) { state -> Bool? in
                if state.end != nil { return false }
                return state.current != nil ? true : nil
            }
            guard isStarted == true else { return }
            sleep(delay)
            if state.with({ $0.current != nil && $0.end == nil }) { body() }
        }
    }
}

func sleep(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var left = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    while true {
        let wanted = left
        if withUnsafePointer(to: wanted, { nanosleep($0, &left) }) == 0 || errno != EINTR { return }
    }
}
