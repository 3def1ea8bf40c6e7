// Which sandbox takes an invocation: a warm one if there is, else a new one if the concurrency
// allows it, else none.
import Lab
import Processes

/// The sandboxes of one function.
final class SandboxPool: Sendable {
    private struct State: Sendable {
        var idle: [Sandbox] = []
        /// Those that have answered but not asked for another event yet.
        var returningCount = 0
        /// Places of the laboratory where no sandbox is.
        var freeNodes: [String]
        var all: [Int: Sandbox] = [:]
        var startedCount = 0
        var generator: SeededGenerator
        var isClosed = false

        mutating func forget(_ sandbox: Sandbox) {
            if all.removeValue(forKey: sandbox.number) != nil { freeNodes.append(sandbox.node) }
        }
    }

    private let lab: Lab
    private let settings: FunctionSettings
    private let folder: WorkFolder
    private let sink: @Sendable (String) -> Void
    private let state: Monitor<State>

    init(
        in lab: Lab, _ settings: FunctionSettings, _ folder: WorkFolder,
        sink: @escaping @Sendable (String) -> Void
    ) {
        self.lab = lab
        self.settings = settings
        self.folder = folder
        self.sink = sink
        state = Monitor(
            State(
                freeNodes: lab.internet.rankHosts.reversed(),
                generator: SeededGenerator(settings.seed)))
    }

    var startedCount: Int { state.with { $0.startedCount } }

    private enum Choice {
        case warm(Sandbox)
        case new(node: String, number: Int, delay: Duration)
        case none
    }

    /// A sandbox for one invocation, and whether it is new; nil if all are busy.
    func take() throws(LaunchError) -> (sandbox: Sandbox, isNew: Bool)? {
        let patience = ContinuousClock.now + .milliseconds(200)
        let choice =
            state.wait(until: patience) { state in choose(&state, mayWait: true) }
            ?? state.with { choose(&$0, mayWait: false) ?? .none }
        switch choice {
        case .none: return nil
        case .warm(let sandbox): return (sandbox, false)
        case .new(let node, let number, let delay):
            sleep(delay)
            do throws(LaunchError) {
                let sandbox = try Sandbox(
                    number: number, node: node, in: lab, settings,
                    name: "\(folder.groupPrefix)\(number)", taskFolder: folder.task,
                    rootFolder: folder.root, sink: sink)
                let isClosed = state.with { state in
                    state.all[number] = sandbox
                    return state.isClosed
                }
                if isClosed { sandbox.stop() }
                return (sandbox, true)
            } catch {
                state.with { $0.freeNodes.append(node) }
                throw error
            }
        }
    }

    /// Nil to wait: one that has just answered is as good as warm.
    private func choose(_ state: inout State, mayWait: Bool) -> Choice? {
        while let sandbox = state.idle.popLast() {
            if sandbox.isAlive { return .warm(sandbox) }
            state.forget(sandbox)
        }
        if mayWait && state.returningCount > 0 { return nil }
        guard !state.isClosed, let node = state.freeNodes.popLast() else { return Choice.none }
        state.startedCount += 1
        let range = settings.coldStartDelay
        let span = range.upperBound - range.lowerBound
        let fraction = Double.random(in: 0..<1, using: &state.generator)
        return .new(
            node: node, number: state.startedCount, delay: range.lowerBound + span * fraction)
    }

    /// The invocation is over: the sandbox is warm once it asks for another event.
    func giveBack(_ sandbox: Sandbox) {
        state.with { $0.returningCount += 1 }
        runOnThread { [self] in
            // Whoever computes on after the answer uses up the time limit of the next invocation.
            let isIdle = sandbox.becomesIdle(within: settings.timeout)
            if !isIdle { sandbox.stop() }
            state.with { state in
                state.returningCount -= 1
                if isIdle && !state.isClosed {
                    state.idle.append(sandbox)
                } else {
                    state.forget(sandbox)
                }
            }
        }
    }

    /// Ends every sandbox; new ones are not started any more.
    func close() {
        let all = state.with { state in
            state.isClosed = true
            return Array(state.all.values)
        }
        for sandbox in all { sandbox.kill() }
        for sandbox in all { sandbox.stop() }
    }
}

/// SplitMix64: repeatable from its seed.
struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
