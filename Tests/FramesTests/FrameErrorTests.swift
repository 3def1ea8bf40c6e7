// What users get wrong, and what they are told: one FrameError, the same on every rank.
import MessagePassing
import Synchronization
import Testing
import ThreadMPI

@testable import Frames

@Suite struct FrameErrorTests {
    private let flights: Table = [
        "carrier": Column(["UA", "DL", nil]), "delay": [5, nil, 7],
        "distance": Column([1.5, 2, 3]),
    ]

    private func error(_ body: (Frame) throws -> Void) throws -> FrameError {
        do {
            try body(Frame(flights))
        } catch let error as FrameError {
            return error
        }
        throw FrameError(.invalidArgument, operation: "test", reason: "nothing was thrown")
    }

    @Test func `a misspelt column is named with its nearest neighbour and the line`() throws {
        let line = #line + 1
        let error = try error { _ = try $0.filter(col("dealy") > 1) }
        #expect(error.code == .missingColumn)
        #expect(error.column == "dealy")
        #expect(error.operation == "filter")
        #expect(error.reason.contains("did you mean \"delay\"?"))
        #expect(error.location?.hasSuffix("FrameErrorTests.swift:\(line)") == true, "\(error)")
    }

    @Test func `types that do not go together are refused before anything runs`() throws {
        let wrong: [(Frame) throws -> Void] = [
            { _ = try $0.filter(col("carrier") == 1) },
            { _ = try $0.filter(col("delay") + 1) },
            { _ = try $0.select((col("carrier") + col("carrier")).as("x")) },
            { _ = try $0.select(!col("delay")) },
            { _ = try $0.select(col("delay").year) },
            { _ = try $0.aggregate(col("carrier").sum()) },
            { _ = try $0.join($0, leftOn: "carrier", rightOn: "delay") },
            { _ = try $0.concat($0.select("delay", "carrier", "distance")) },
        ]
        for body in wrong {
            #expect(try error(body).code == .typeMismatch)
        }
    }

    @Test func `arguments that make no sense are refused`() throws {
        let wrong: [((Frame) throws -> Void, FrameError.Code)] = [
            ({ _ = try $0.head(-1) }, .invalidArgument),
            ({ _ = try $0.sort(by: []) }, .invalidArgument),
            ({ _ = try $0.groupBy([]).agg(len()) }, .invalidArgument),
            ({ _ = try $0.groupBy("carrier").agg(len().as("carrier")) }, .duplicateColumn),
            ({ _ = try $0.groupBy("carrier").agg(len(), len()) }, .duplicateColumn),
            ({ _ = try $0.groupBy(["carrier", "carrier"]).agg(len()) }, .duplicateColumn),
            ({ _ = try $0.select("delay", "delay") }, .duplicateColumn),
            ({ _ = try $0.rename(["delay": "carrier"]) }, .duplicateColumn),
            ({ _ = try $0.rename(["x": "y"]) }, .missingColumn),
            ({ _ = try $0.drop("x") }, .missingColumn),
            ({ _ = try $0.select(lit(1)) }, .invalidArgument),
            ({ _ = try $0.gather(to: 1) }, .invalidArgument),
            (
                { _ = try $0.join($0, leftOn: ["carrier"], rightOn: ["carrier", "delay"]) },
                .invalidArgument
            ),
            ({ _ = try $0.select("carrier").describe() }, .invalidArgument),
            (
                { _ = try $0.join(Frame($0.table, on: SelfCommunicator()), on: "carrier") },
                .invalidArgument
            ),
        ]
        for (index, (body, code)) in wrong.enumerated() {
            #expect(try error(body).code == code, "case \(index)")
        }
    }

    @Test(arguments: [1, 2, 3, 5])
    func `a wrong column is the same error on every rank`(ranks: Int) throws {
        let errors = try Frames.errors([flights], ranks: ranks) { try $0[0].sort(by: "dely") }
        #expect(errors.count == ranks)
        #expect(Set(errors.map { "\($0)" }).count == 1)
        #expect(errors[0].column == "dely")
    }

    @Test(arguments: [2, 3, 5])
    func `a rank with another schema is the same error on every rank`(ranks: Int) throws {
        let other: Table = ["key": [1, 2]]
        let errors = try Frames.errors([flights], ranks: ranks) { frames in
            let frame = frames[0]
            let isOdd = frame.communicator.rank == ranks - 1
            return try (isOdd ? Frame(other, on: frame.communicator) : frame)
                .groupBy("carrier").agg(len())
        }
        #expect(errors.count == ranks)
        #expect(Set(errors.map { "\($0)" }).count == 1, "\(errors)")
        #expect(errors[0].code == .missingColumn)
    }

    @Test(arguments: [2, 3, 5])
    func `ranks that run different verbs are told which`(ranks: Int) throws {
        let errors = try Frames.errors([flights], ranks: ranks) { frames in
            frames[0].communicator.rank == 1
                ? try frames[0].sort(by: "delay") : try frames[0].unique(on: "delay")
        }
        #expect(errors.count == ranks)
        #expect(Set(errors.map { "\($0)" }).count == 1, "\(errors)")
        #expect(errors[0].code == .mismatchedPlan)
        #expect(errors[0].reason.contains("rank 0 runs unique"))
        #expect(errors[0].reason.contains("rank 1 runs sort"))
    }

    @Test func `a lost rank is a communication error with its cause`() throws {
        let causes = Mutex<[FrameError]>([])
        let table = flights
        #expect(throws: (any Error).self) {
            try ThreadMPI.run(size: 3, timeout: .seconds(20)) { world in
                let reason = MPIError(.aborted, operation: "test", reason: "no more")
                if world.rank == 2 { try world.abort(reason) }
                do throws(FrameError) {
                    _ = try Frame(table, on: world).unique()
                } catch {
                    causes.withLock { $0.append(error) }
                    throw error
                }
            }
        }
        for error in causes.withLock({ $0 }) {
            #expect(error.code == .communication)
            #expect(error.cause?.code == .aborted)
        }
    }
}
