// The workers of `mpi-compare run` that are functions: packaged once, their sandboxes kept from start
// to start, so that the first is cold and the others are warm.
@preconcurrency import Glibc
import Launchers
import Processes
import Records
import Report
import Synchronization

final class FunctionWorkers: Sendable {
    private let worker: String
    private let ranks: Int
    private let options: LambdaOptions
    private let included: [String]
    private let state = Mutex(State())

    private struct State {
        var sessions: [Environment: LambdaSession] = [:]
        var package: String?
    }

    /// - Parameters:
    ///   - ranks: of the largest job.
    ///   - included: folders that go into the package.
    init(worker: String, ranks: Int, _ options: LambdaOptions, included: [String]) {
        self.worker = worker
        self.ranks = ranks
        self.options = options
        self.included = included
    }

    /// Where functions find the folder that went into the package.
    var dataFolder: String? {
        included.first.map { path in
            let name = path.split(separator: "/").last.map(String.init) ?? path
            return "\(LambdaPackage.folder)/\(name)"
        }
    }

    /// One start of the worker; its times go into the record.
    func run(
        _ job: LambdaJob, _ environment: Environment, _ record: inout RunRecord,
        output: @escaping (OutputLine) -> Void
    ) throws -> JobEnd {
        let session = try session(environment)
        do throws(LambdaFailure) {
            let run = try session.run(job) { line in
                // What is only going on is no complaint.
                if line.rank != nil { output(line) }
            }
            record.functionStarts.append(
                FunctionTimes(
                    functions: run.functions, memoryMegabytes: session.memoryMegabytes,
                    coldStarts: run.coldStarts, invoke: run.invoke,
                    initialization: run.initialization, join: run.join, workload: run.workload,
                    endToEnd: run.endToEnd, dollars: run.dollars))
            for message in run.ranks.first?.value.array ?? [] {
                output(OutputLine(rank: 0, stream: .standardOutput, text: message.description))
            }
            return .success
        } catch {
            throw LaunchError(error.description)
        }
    }

    private func session(_ environment: Environment) throws -> LambdaSession {
        try state.withLock { state in
            if let session = state.sessions[environment] { return session }
            let session: LambdaSession
            if environment == .lambda {
                session = try LambdaSession(onAWS: options)
            } else {
                let package =
                    try options.package ?? state.package
                    ?? temporaryPackage(of: worker, including: included)
                if options.package == nil { state.package = package }
                session = try LambdaSession(emulating: package, ranks: ranks, options)
            }
            state.sessions[environment] = session
            return session
        }
    }

    func stop() {
        let state = state.withLock { state in
            defer { state = State() }
            return (sessions: Array(state.sessions.values), package: state.package)
        }
        for session in state.sessions { session.stop() }
        if let package = state.package { unlink(package) }
    }
}
