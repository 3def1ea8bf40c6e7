// One job of functions: all invoked at once, each the ranks that its event names, until all have
// answered. A job that fails can be started again in the next epoch, which fences what is left of
// the one before.
import AWSClient
@preconcurrency import Glibc
import CompactJSON
import Processes
import ServerlessMPI
import Synchronization

/// What to run on functions.
public struct LambdaJob: Sendable {
    public var ranks: Int
    /// Of the program.
    public var arguments: [String]
    /// Anything else for the program: `input` of its event.
    public var input: JSONValue = .null
    /// For all epochs together; nil for what the functions' time limit allows.
    public var timeout: Duration?

    public init(ranks: Int, arguments: [String] = []) {
        self.ranks = ranks
        self.arguments = arguments
    }
}

/// Why a job failed: the first cause first, then what became of every function.
public struct LambdaFailure: Error, CustomStringConvertible, Sendable {
    public var description: String
    /// The type of the first cause: `MPI.` and a code, `Runtime.…`, `Launcher.…`.
    public var cause: String
    /// One line per function that failed.
    public var details: [String]
    /// As far as the job got.
    public var run: LambdaRun
}

extension LambdaSession {
    /// Duplicates that one job bears; each costs an epoch.
    private static let duplicatesMax = 5

    /// Runs a job to its end, in as many epochs as the options allow.
    ///
    /// An event that the service delivers twice costs an epoch of its own, whatever `restarts` says:
    /// which of its two processes is first to claim the rank nobody can foresee, as they know the
    /// same, and if it is the one whose answer goes to nobody, its ranks' results are lost although
    /// nothing has failed. The job runs again then, so a program must bear that, as every function of
    /// AWS Lambda must.
    ///
    /// - Parameters:
    ///   - log: gets the end of every function's log, line by line with the function's first rank,
    ///     and what is going on, without a rank.
    /// - Throws: `LambdaFailure` naming the ranks and the cause, once every invocation has ended or
    ///   the timeout has passed.
    public func run(
        _ job: LambdaJob, log: @escaping (OutputLine) -> Void = { _ in }
    ) throws(LambdaFailure) -> LambdaRun {
        let name = newJob()
        // All epochs share them: a rank that is late learns from the server that its epoch is over.
        let tokens = tokens(job: name)
        let start = ContinuousClock.now
        var reports: [InvocationReport] = []
        var unreported: [(memoryMegabytes: Int, seconds: Double)] = []
        var throttles = 0
        var epoch: UInt64 = 0
        var restartsLeft = options.restarts
        var duplicatesLeft = Self.duplicatesMax
        while true {
            let attempt = Epoch(self, job, name: name, tokens: tokens, number: epoch)
            let isLast = restartsLeft == 0
            let answers = attempt.run(waitsForAll: isLast, log: log)
            reports += answers.compactMap(\.report)
            unreported += answers.filter(\.ranUnreported).map {
                (memoryMegabytes, seconds($0.elapsed))
            }
            throttles += answers.reduce(0) { $0 + $1.throttles }
            var run = attempt.summary(answers)
            run.endToEnd = seconds(.now - start)
            run.reports = reports
            run.unreported = unreported
            run.throttles = throttles
            guard let failure = attempt.failure(answers, run) else { return run }
            let isTimedOut = job.timeout.map { ContinuousClock.now - start >= $0 } ?? false
            let isByDuplicate = failure.cause == Epoch.duplicateType && duplicatesLeft > 0
            if isTimedOut || isLast && !isByDuplicate { throw failure }
            if isByDuplicate { duplicatesLeft -= 1 } else { restartsLeft -= 1 }
            epoch += 1
            log(
                OutputLine(
                    rank: nil, stream: .standardError,
                    text: "\(failure); starting epoch \(epoch)"))
        }
    }
}

/// One try of a job.
private struct Epoch {
    let session: LambdaSession
    let job: LambdaJob
    let name: String
    let tokens: JobTokens
    let number: UInt64
    /// The ranks of each function.
    let groups: [[Int]]

    init(
        _ session: LambdaSession, _ job: LambdaJob, name: String, tokens: JobTokens,
        number: UInt64
    ) {
        self.session = session
        self.job = job
        self.name = name
        self.tokens = tokens
        self.number = number
        let size = max(1, session.ranksPerFunction)
        groups = stride(from: 0, to: job.ranks, by: size).map {
            Array($0..<min(job.ranks, $0 + size))
        }
    }

    /// How one function ended.
    struct Ended: Sendable {
        var ranks: [LambdaRank] = []
        /// The type and the words of an error; nil if all went well.
        var error: (type: String, message: String)?
        var requestID = ""
        var report: InvocationReport?
        var log = ""
        var throttles = 0
        /// From the request to the answer.
        var elapsed: Duration = .zero

        /// Is it billed although it did not say for what? A refused request has not run.
        var ranUnreported: Bool {
            report == nil && error?.type != "Launcher.Refused" && error?.type != "Launcher.System"
        }
    }

    /// Another process holds the ranks of this invocation.
    static let duplicateType = "MPI.duplicateRank"

    /// When it looks as if something hung, the user is told who has not answered.
    private static let patience = Duration.seconds(15)

    /// The ranks of a failed job hear of it within seconds; who has not answered then is a straggler
    /// or a zombie, and the next epoch fences it.
    private static let failureGrace = Duration.seconds(3)

    /// Invokes every function at once and waits for all, or, after a failure, for those that know.
    func run(waitsForAll: Bool, log: (OutputLine) -> Void) -> [Ended] {
        // Init, cold places and the way there and back come on top of the time limit.
        let start = ContinuousClock.now
        let limit = session.timeout + .seconds(60)
        let deadline = ContinuousClock.now + min(limit, job.timeout ?? limit)
        let endings = Mutex([Ended?](repeating: nil, count: groups.count))
        for index in groups.indices {
            let body: @Sendable () -> Void = { [self] in
                let ended = invoke(groups[index], deadline)
                endings.withLock { $0[index] = ended }
            }
            do throws(LaunchError) {
                pthread_detach(try startThread(body))
            } catch {
                let ended = Ended(error: ("Launcher.System", error.description))
                endings.withLock { $0[index] = ended }
            }
        }
        var shown = Set<Int>()
        var nextWord = ContinuousClock.now + Self.patience
        var giveUpTime: ContinuousClock.Instant?
        while true {
            let current = endings.withLock { $0 }
            for (index, ended) in current.enumerated() {
                guard let ended, shown.insert(index).inserted else { continue }
                for line in ended.log.split(separator: "\n") where !Self.isPlatform(line) {
                    log(
                        OutputLine(
                            rank: groups[index].first, stream: .standardError, text: String(line)))
                }
            }
            if shown.count == groups.count { return current.compactMap(\.self) }
            let hasFailed = current.contains { ended in
                ended?.error.map { !waitsForAll || $0.type == Self.duplicateType } ?? false
            }
            if giveUpTime == nil, hasFailed {
                giveUpTime = .now + Self.failureGrace
            }
            if let giveUpTime, ContinuousClock.now > giveUpTime {
                return current.map {
                    $0
                        ?? Ended(
                            error: ("Launcher.Straggler", "no answer yet"), elapsed: .now - start)
                }
            }
            if ContinuousClock.now > nextWord, !shown.isEmpty {
                nextWord = .now + Self.patience
                let missing = groups.indices.filter { !shown.contains($0) }.flatMap { groups[$0] }
                log(
                    OutputLine(
                        rank: nil, stream: .standardError,
                        text: "no answer yet from \(ranksText(missing))"))
            }
            usleep(500)
        }
    }

    private static func isPlatform(_ line: Substring) -> Bool {
        ["START ", "END ", "REPORT ", "INIT_START "].contains { line.hasPrefix($0) }
    }

    // MARK: One function

    private func invoke(_ ranks: [Int], _ deadline: ContinuousClock.Instant) -> Ended {
        let start = ContinuousClock.now
        var ended = Ended()
        do throws(AWSError) {
            let answer = try session.client.invoke(event(ranks), deadline: deadline)
            ended.elapsed = .now - start
            ended.requestID = answer.requestID
            ended.log = answer.log
            ended.report = InvocationReport(log: answer.log)
            ended.throttles = answer.throttles
            var json = JSONValue(parsing: answer.payload)
            if let place = json?["stored"]?.string {
                json = JSONValue(parsing: try session.fetch(place, deadline: deadline))
            }
            if answer.functionError != nil {
                ended.error = (
                    json?["errorType"]?.string ?? "Function.Unknown",
                    json?["errorMessage"]?.string ?? "the function failed and did not say why"
                )
                return ended
            }
            ended.ranks = json?["ranks"]?.array?.compactMap { LambdaRank(json: $0) } ?? []
            // Nobody else's answer, and no older epoch's.
            if ended.ranks.map(\.rank) != ranks || json?["job"]?.string != name
                || json?["epoch"]?.integer != Int(number)
            {
                ended.error = (
                    "Launcher.WrongAnswer",
                    "the answer is not that of this invocation's ranks: is the function's program"
                        + " linked to LambdaMPI?"
                )
            }
        } catch {
            ended.elapsed = .now - start
            ended.error = (
                error.code == .refused ? "Launcher.Refused" : "Launcher.Lost", "\(error)"
            )
        }
        return ended
    }

    private func event(_ ranks: [Int]) -> [UInt8] {
        let url = session.url(job: name, epoch: number, size: job.ranks)
        let variables = tokens.environment(url).sorted { $0.key < $1.key }
        var fields = [
            JSONField(
                "environment",
                .object(variables.map { JSONField($0.key, .string($0.value)) })),
            JSONField("ranks", .array(ranks.map { .integer($0) })),
            JSONField("arguments", .array(job.arguments.map { .string($0) })),
        ]
        if let results = session.options.results {
            fields.append(JSONField("results", .string(results)))
        }
        if job.input != .null { fields.append(JSONField("input", job.input)) }
        return Array(JSONValue.object(fields).description.utf8)
    }

    // MARK: All functions

    func summary(_ endings: [Ended]) -> LambdaRun {
        let overheads = endings.compactMap { ended in
            ended.report.map { report in
                max(0, seconds(ended.elapsed) - report.duration - (report.initDuration ?? 0))
            }
        }
        return LambdaRun(
            functions: groups.count, epoch: number, endToEnd: 0, invoke: overheads.max() ?? 0,
            initialization: endings.compactMap { $0.report?.initDuration }.max(),
            ranks: endings.flatMap(\.ranks).sorted { $0.rank < $1.rank }, reports: [],
            throttles: 0)
    }

    /// Nil if all went well. The platform's own words come first: a sandbox that dies is the cause,
    /// and the ranks that miss it are its victims; so is a rank that says it only had to stop.
    func failure(_ endings: [Ended], _ run: LambdaRun) -> LambdaFailure? {
        var details: [(weight: Int, type: String, text: String)] = []
        for (ranks, ended) in zip(groups, endings) {
            guard let error = ended.error else { continue }
            let isVictim = error.message.contains("stopped, as the job failed")
            let weight =
                isVictim || error.type == "Launcher.Straggler"
                ? 2 : error.type.hasPrefix("MPI.") ? 1 : 0
            let request = ended.requestID.isEmpty ? "" : ", request \(ended.requestID)"
            let text = "\(ranksText(ranks))\(request): \(error.type): \(error.message)"
            details.append((weight, error.type, text))
        }
        guard !details.isEmpty else { return nil }
        let sorted = details.enumerated().sorted {
            ($0.element.weight, $0.offset) < ($1.element.weight, $1.offset)
        }.map(\.element)
        return LambdaFailure(
            description: sorted[0].text, cause: sorted[0].type, details: sorted.map(\.text),
            run: run)
    }
}

private func ranksText(_ ranks: [Int]) -> String {
    let text = ranks.map(String.init).joined(separator: ", ")
    return ranks.count == 1 ? "rank \(text)" : "ranks \(text)"
}

func seconds(_ duration: Duration) -> Double {
    let (seconds, attoseconds) = duration.components
    return Double(seconds) + Double(attoseconds) / 1e18
}
