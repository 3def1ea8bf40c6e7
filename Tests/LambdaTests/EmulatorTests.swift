// The emulator does what AWS says its service does: sandboxes, limits, logs, errors, retries.
import AWSClient
import Foundation
import CompactJSON
import LambdaEmulator
import Processes
import Testing

extension LambdaTests {
    @Suite("Sandboxes")
    struct Sandboxes {
        @Test("a sandbox is what a function's is, warm from the second event on, and then frozen")
        func sandbox() throws {
            let subject = try Subject { settings in
                settings.environment = ["COLOUR": "blue"]
                settings.concurrency = 2
            }
            let first = try subject.invoke("{\"look\":1}")
            let view = try #require(first["sandbox"])
            #expect(view["files"] == .integer(1024))
            #expect(view["user"] != .integer(0))
            let root = ["dev", "etc", "proc", "tmp", "var"]
            #expect(view["root"] == .array(root.map { .string($0) }), "\(view)")
            #expect(view["task"] == .array([.string("bootstrap"), .string("lib")]))
            #expect(view["taskWrite"] == .integer(Int(EROFS)))
            #expect(view["rootWrite"] == .integer(Int(EROFS)))
            #expect(view["freshTemporaries"] == .bool(true))
            // Namespaces of its own: it sees itself, and the shell that started it.
            #expect(view["processes"] == .integer(2))
            #expect(view["memory"] == .string("1769"))
            #expect(view["colour"] == .string("blue"))
            #expect(view["home"] == .null)
            let left = try #require(first["left"]?.number)
            #expect(left > 9 && left <= 10, "\(left)")

            let second = try subject.invoke("{\"look\":1}")
            #expect(second["count"] == .integer(2))
            #expect(second["sandbox"]?["freshTemporaries"] == .bool(false))
            #expect(second["requestID"] != first["requestID"])
            #expect(subject.emulator.startedSandboxes == 1)
        }

        @Test(
            "memory beyond the setting ends the sandbox, and the next event gets a new one",
            .enabled(if: !Emulator.unlimited.contains("memory"), "no memory cgroup"))
        func memory() throws {
            let subject = try Subject { $0.memoryMegabytes = 128 }
            #expect(try subject.invoke("{\"allocate\":50}")["count"] == .integer(1))
            let response = try subject.send("{\"allocate\":200}")
            #expect(response.header("x-amz-function-error") == "Unhandled")
            let error = try #require(JSONValue(parsing: response.body))
            #expect(error["errorType"] == .string("Runtime.ExitError"), "\(error)")
            #expect(error["errorMessage"]?.string?.contains("killed") == true, "\(error)")
            #expect(try subject.invoke("{}")["count"] == .integer(1))
        }

        @Test(
            "processors are shared as the memory size says",
            .enabled(if: !Emulator.unlimited.contains("cpu"), "no cpu cgroup"),
            arguments: [(442, 0.25), (885, 0.5)])
        func processors(memory: Int, share: Double) throws {
            let subject = try Subject { $0.memoryMegabytes = memory }
            let busy = try #require(try subject.invoke("{\"spin\":1}")["busy"]?.number)
            // Not a measurement of time: the kernel hands out no more than the share.
            #expect(busy < share * 1.3, "\(busy) processors")
        }

        @Test("at its time limit a function is ended, and the error says when")
        func timeLimit() throws {
            let subject = try Subject { $0.timeout = .seconds(1) }
            let response = try subject.send("{\"sleep\":30}")
            let error = try #require(JSONValue(parsing: response.body))
            #expect(error["errorType"] == .string("Sandbox.Timedout"))
            #expect(error["errorMessage"]?.string?.contains("after 1.00 seconds") == true)
        }

        @Test("a process that ends, or cannot begin, is an error of the function")
        func ends() throws {
            let subject = try Subject()
            let error = try subject.invoke("{\"exit\":3}")
            #expect(error["errorType"] == .string("Runtime.ExitError"))
            #expect(error["errorMessage"]?.string?.contains("exit status 3") == true, "\(error)")
            let broken = try Subject { $0.environment = ["SUBJECT_FAILS_TO_START": "1"] }
            let failed = try broken.invoke("{}")
            #expect(failed["errorType"] == .string("Subject.NoData"), "\(failed)")
        }

        @Test("an emulator leaves nothing behind")
        func nothingIsLeft() throws {
            func left() -> [String] {
                let folders = ["/run/netns", "/sys/fs/cgroup", "/sys/fs/cgroup/freezer", "/tmp"]
                return folders.flatMap { folder in
                    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
                        .filter { $0.hasPrefix("smpi-") && !$0.contains("package") }
                        .map { "\(folder)/\($0)" }
                }
            }
            let before = left()
            do {
                let subject = try Subject { $0.concurrency = 2 }
                _ = try subject.invoke("{}")
                #expect(left().count > before.count)
            }
            #expect(left() == before)
        }
    }

    @Suite("Invoke API")
    struct InvokeAPI {
        @Test("answers carry the request's id, the log's end and whether the function failed")
        func answers() throws {
            let subject = try Subject()
            let good = try subject.send("{\"print\":\"a line of the function\"}")
            #expect(good.status == 200 && good.header("x-amz-function-error") == nil)
            let id = try #require(good.header("x-amzn-requestid"))
            #expect(JSONValue(parsing: good.body)?["requestID"] == .string(id))
            let log = try decoded(good)
            let lines = log.split(separator: "\n")
            #expect(lines.first == "START RequestId: \(id) Version: $LATEST")
            #expect(lines.contains("a line of the function"))
            let report = try #require(lines.last)
            #expect(report.hasPrefix("REPORT RequestId: \(id)\tDuration: "), "\(report)")
            #expect(report.contains("\tBilled Duration: ") && report.contains("\tInit Duration: "))
            #expect(report.contains("\tMemory Size: 1769 MB\tMax Memory Used: "), "\(report)")

            let bad = try subject.send("{\"fail\":1}")
            #expect(bad.status == 200)
            #expect(bad.header("x-amz-function-error") == "Unhandled")
            #expect(JSONValue(parsing: bad.body)?["errorType"] == .string("Subject.Failed"))
            // It was warm.
            #expect(try !decoded(bad).contains("Init Duration"))
        }

        private func decoded(_ response: HTTPResponse) throws -> String {
            let text = try #require(response.header("x-amz-log-result"))
            return String(decoding: try #require(Data(base64Encoded: text)), as: UTF8.self)
        }

        @Test("only the right signature is accepted")
        func signatures() throws {
            let subject = try Subject()
            #expect(try subject.send("{}", isSigned: false).status == 403)
            let name = { (response: HTTPResponse) in response.header("x-amzn-errortype") }
            for (id, secret, error) in [
                ("AKIDTEST", "wrong", "InvalidSignatureException"),
                ("OTHER", "open sesame", "UnrecognizedClientException"),
            ] {
                let signer = RequestSigner(
                    credentials: Credentials(accessKeyID: id, secretAccessKey: secret),
                    region: FunctionSettings.region, service: "lambda")
                let response = try subject.send("{}", signer: signer)
                #expect(response.status == 403 && name(response) == error)
            }
            #expect(subject.emulator.startedSandboxes == 0)
        }

        @Test("wrong calls get AWS's errors: no function, no JSON, no such type, too large")
        func refusals() throws {
            let subject = try Subject()
            func refusal(_ event: String, _ type: String?, _ function: String) throws -> String {
                let response = try subject.send(event, type: type, function: function)
                return "\(response.status) \(response.header("x-amzn-errortype") ?? "")"
            }
            #expect(try refusal("{}", nil, "other") == "404 ResourceNotFoundException")
            #expect(
                try refusal("{", nil, "subject") == "400 InvalidRequestContentException")
            #expect(
                try refusal("{}", "Later", "subject") == "400 InvalidParameterValueException")
            let long = "\"" + String(repeating: "a", count: 6 << 20) + "\""
            #expect(try refusal(long, nil, "subject") == "413 RequestTooLargeException")
            let medium = "\"" + String(repeating: "a", count: 1 << 20) + "\""
            #expect(try refusal(medium, "Event", "subject") == "413 RequestTooLargeException")
            #expect(try subject.send("{}", type: "DryRun").status == 204)
            #expect(subject.emulator.startedSandboxes == 0)
        }

        @Test("an answer of 6 MB passes, a larger one is the function's error")
        func largeAnswers() throws {
            let subject = try Subject()
            let limit = 6 << 20
            #expect(try subject.send("{\"answer\":\(limit)}").byteCount == limit)
            let response = try subject.send("{\"answer\":\(limit + 1)}")
            #expect(response.header("x-amz-function-error") == "Unhandled")
            let error = JSONValue(parsing: response.body)
            #expect(
                error?["errorMessage"]?.string?.contains("6291456") == true,
                "\(String(describing: error))"
            )
        }

        @Test("more at once than the concurrency allows are throttled")
        func throttling() throws {
            let subject = try Subject { $0.concurrency = 1 }
            #expect(try subject.send("{\"sleep\":1.5}", type: "Event").status == 202)
            #expect(subject.log.wait(for: "START RequestId"))
            let response = try subject.send("{}")
            #expect(response.status == 429)
            #expect(response.header("x-amzn-errortype") == "TooManyRequestsException")
        }

        @Test("an event that fails is delivered again, twice, under the same request id")
        func retries() throws {
            let subject = try Subject { $0.retryDelays = [.milliseconds(50), .milliseconds(50)] }
            let response = try subject.send("{\"fail\":1}", type: "Event")
            let id = try #require(response.header("x-amzn-requestid"))
            #expect(subject.log.wait(for: "START RequestId: \(id)", count: 3))
            #expect(subject.log.wait(for: "failed for good"))
            #expect(try subject.send("{\"print\":\"fine\"}", type: "Event").status == 202)
            #expect(subject.log.wait(for: "fine"))
            usleep(200_000)
            #expect(subject.log.all.count { $0 == "fine" } == 1)
        }

        @Test("a doubled event reaches two sandboxes under one request id")
        func duplicates() throws {
            let subject = try Subject { $0.concurrency = 2 }
            subject.emulator.arrange([Fault(.duplicateEvent)])
            let answer = try subject.invoke("{\"sleep\":0.3}")
            let id = try #require(answer["requestID"]?.string)
            #expect(subject.log.wait(for: "START RequestId: \(id)", count: 2))
            #expect(subject.emulator.startedSandboxes == 2)
        }

        @Test("an answer can get lost, after the function has worked")
        func lostAnswer() throws {
            let subject = try Subject()
            subject.emulator.arrange([Fault(.lostResponse)])
            let error = #expect(throws: AWSError.self) { try subject.send("{}") }
            #expect(error?.code == .connectFailed, "\(String(describing: error))")
            #expect(try subject.invoke("{}")["count"] == .integer(2))
        }

        @Test("cold starts take as long as the seed says", arguments: [1, 2] as [UInt64])
        func coldStarts(seed: UInt64) throws {
            func time() throws -> Duration {
                let subject = try Subject {
                    $0.coldStartDelay = .milliseconds(300) ... .milliseconds(900)
                    $0.seed = seed
                }
                let start = ContinuousClock.now
                _ = try subject.invoke("{}")
                return .now - start
            }
            #expect(try time() > .milliseconds(300))
        }
    }
}
