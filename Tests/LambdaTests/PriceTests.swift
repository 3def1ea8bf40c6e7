// What a job of functions is billed, as far as anybody can tell.
import Testing

@testable import Launchers

@Suite("The price of a job of functions")
struct PriceTests {
    @Test("counts invocations whose answer was lost, for as long as they were waited for")
    func lostAnswers() throws {
        let log =
            "REPORT RequestId: 1\tDuration: 999.20 ms\tBilled Duration: 1000 ms\t"
            + "Memory Size: 2048 MB\tMax Memory Used: 20 MB\n"
        let report = try #require(InvocationReport(log: log))
        var run = LambdaRun(
            functions: 2, epoch: 0, endToEnd: 0, invoke: 0, initialization: nil, ranks: [],
            reports: [report], throttles: 0)
        let one = 2 * 0.000_016_666_7 + 0.000_000_2
        #expect(abs(run.dollars - one) < 1e-12)
        run.unreported = [(memoryMegabytes: 2048, seconds: 3)]
        #expect(abs(run.dollars - (one + 6 * 0.000_016_666_7 + 0.000_000_2)) < 1e-12)
    }
}
