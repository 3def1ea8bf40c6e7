// What the tests of functions share: whether they can run here, the packages, and an emulator with a
// signed client.
import AWSClient
import Foundation
import CompactJSON
import Lab
import LambdaEmulator
import Launchers
import Processes
import Synchronization
import Testing

private let reason = LambdaPackage.reasonUnavailable ?? reasonLabIsUnavailable()
let canEmulate = ConditionTrait.enabled(
    if: reason == nil, Comment(rawValue: reason ?? "an emulator can run here"))

/// One after the other: each has a laboratory, and two cores.
@Suite("Lambda", .serialized, canEmulate)
enum LambdaTests {}

enum Built {
    static let isFull = ProcessInfo.processInfo.environment["TEST_FULL"] == "1"

    /// The release build if `CONFORMANCE_BIN_DIR` says so, else what lies beside this test.
    static func path(_ program: String) -> String {
        let folder =
            ProcessInfo.processInfo.environment["CONFORMANCE_BIN_DIR"]
            ?? URL(
                fileURLWithPath: CommandLine.arguments.first { $0.hasSuffix(".xctest") }
                    ?? CommandLine.arguments[0]
            ).deletingLastPathComponent().path
        return "\(folder)/\(program)"
    }

    private static let folder: String = {
        let path = NSTemporaryDirectory() + "lambda-tests-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        removeAtExit = path
        atexit { try? FileManager.default.removeItem(atPath: Built.removeAtExit) }
        return path
    }()
    private nonisolated(unsafe) static var removeAtExit = ""

    /// The worker of `mpi-compare run`, and the tests' own function.
    static let worker = package("worker-lambda")
    static let subject = package("lambda-subject")

    /// Answers as long as one likes, and, for S3, the library that its client loads.
    static let ranks = package("lambda-ranks", libraries: ["libcurl.so.4"])

    /// Packaged once; a failure shows in the tests that use it.
    private static func package(_ program: String, libraries: [String] = []) -> String {
        let zip = "\(folder)/\(program).zip"
        do {
            var package = LambdaPackage(executable: path(program))
            package.libraries = libraries
            _ = try package.write(to: zip)
        } catch {
            Issue.record("\(program) cannot be packaged: \(error)")
        }
        return zip
    }
}

/// The tests' function in an emulator, and who may invoke it.
final class Subject {
    let emulator: Emulator
    let log = Lines()
    private let http = HTTPClient()
    private let signer: RequestSigner

    init(
        _ package: String = Built.subject, _ change: (inout FunctionSettings) -> Void = { _ in }
    ) throws {
        var settings = FunctionSettings()
        settings.name = "subject"
        settings.timeout = .seconds(10)
        change(&settings)
        let credentials = Credentials(accessKeyID: "AKIDTEST", secretAccessKey: "open sesame")
        signer = RequestSigner(
            credentials: credentials, region: FunctionSettings.region, service: "lambda")
        let log = log
        emulator = try Emulator(package: package, settings, credentials: credentials) {
            log.add($0)
        }
    }

    deinit { emulator.stop() }

    func send(
        _ event: String, type: String? = nil, function: String = "subject", isSigned: Bool = true,
        signer other: RequestSigner? = nil
    ) throws -> HTTPResponse {
        try Array(event.utf8).withUnsafeBytes { body in
            var request = HTTPRequest(
                "POST", try Endpoint(parsing: emulator.endpoint),
                path: "/2015-03-31/functions/\(function)/invocations",
                headers: [("x-amz-log-type", "Tail")]
                    + (type.map { [("x-amz-invocation-type", $0)] } ?? []), body: body)
            if isSigned { (other ?? signer).sign(&request) }
            return try http.perform(request, deadline: .now + .seconds(60))
        }
    }

    /// The answer of a synchronous invocation.
    func invoke(_ event: String) throws -> JSONValue {
        let response = try send(event)
        guard response.status == 200 else {
            throw Unexpected(
                "status \(response.status): \(String(decoding: response.body, as: UTF8.self))")
        }
        return try #require(JSONValue(parsing: response.body))
    }
}

/// Lines that several threads write.
final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }

    /// Waits until so many lines hold the words; false after the timeout.
    func wait(for words: String, count: Int = 1, seconds: Double = 20) -> Bool {
        let limit = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < limit {
            if all.count(where: { $0.contains(words) }) >= count { return true }
            usleep(5_000)
        }
        return false
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
