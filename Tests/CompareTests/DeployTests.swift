// `mpi-compare lambda deploy` and `teardown` against ministack: the real template, CloudFormation's and
// S3's protocols, and a server that knows nothing of us.

import AWSClient
import Foundation
import Testing

@testable import Launchers

@Suite("Deploying", .serialized, .enabled(if: LocalAWS.program != nil, LocalAWS.missing))
struct DeployTests {
    private static let template = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../deploy/lambda/template.yaml").standardized.path

    private func run(
        _ arguments: [String], on aws: LocalAWS
    ) throws -> (code: Int32, output: String, errors: String) {
        let tool = try Tool(
            ["lambda"] + arguments,
            variables: [
                "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "hush-hush-hush",
                "AWS_SESSION_TOKEN": "whisper-whisper", "AWS_REGION": "eu-central-1",
                "AWS_ENDPOINT_URL": aws.url,
            ])
        let code = try tool.wait()
        for secret in ["hush-hush-hush", "whisper-whisper"] {
            #expect(!tool.output.contains(secret) && !tool.errorOutput.contains(secret))
        }
        return (code, tool.output, tool.errorOutput)
    }

    @Test("makes function, host and bucket, changes what changed, and leaves nothing")
    func deploysAndRemoves() throws {
        let aws = try LocalAWS()
        defer { aws.end() }
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "deploy-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let package = folder.appending(path: "worker.zip")
        let rendezvous = folder.appending(path: "rendezvous.zip")
        try Self.emptyZip.write(to: package)
        try Self.emptyZip.write(to: rendezvous)
        let deploy = [
            "deploy", "--template", Self.template, "--package", package.path,
            "--rendezvous-package", rendezvous.path,
            "--memory", "512", "--concurrency", "7",
            // ministack has none of AWS's public parameters.
            "--host-image", try aws.putImage(),
        ]

        let first = try run(deploy, on: aws)
        #expect(first.code == 0, "\(first)")
        for output in ["FunctionName swift-mpi-rank", "Bucket ", "OperatorSecret ", "Rendezvous"] {
            #expect(first.output.contains(output), "\(first)")
        }
        let function = try aws.get("/2015-03-31/functions/swift-mpi-rank/configuration")
        #expect(function.contains("provided.al2023") && function.contains("512"), "\(function)")
        // ministack takes no notice of the reserved concurrency; scripts/check-deploy looks at it.
        let retries = try aws.get("/2019-09-25/functions/swift-mpi-rank/event-invoke-config/list")
            .filter { !$0.isWhitespace }
        #expect(retries.contains("\"MaximumRetryAttempts\":0"), "\(retries)")

        let same = try run(deploy, on: aws)
        #expect(same.code == 0 && same.output.contains("is as it should be"), "\(same)")
        let other = try run(deploy.map { $0 == "512" ? "1024" : $0 }, on: aws)
        #expect(other.code == 0 && other.output.contains("UPDATE"), "\(other)")
        #expect(
            try aws.get("/2015-03-31/functions/swift-mpi-rank/configuration").contains("1024"))

        let gone = try run(["teardown"], on: aws)
        #expect(gone.code == 0 && gone.output.contains("stack swift-mpi is gone"), "\(gone)")
        let buckets = try aws.get("/", service: "s3")
        #expect(!buckets.contains("swift-mpi"), "\(buckets)")
        let again = try run(["teardown"], on: aws)
        #expect(again.code == 0 && again.output.contains("there is no stack"), "\(again)")
    }

    @Test("says in one line what is wrong with its arguments")
    func wrongArguments() throws {
        let nowhere = LocalAWS(nowhere: "http://127.0.0.1:9")
        for (arguments, words) in [
            (
                ["deploy", "--template", Self.template, "--package", "/no/such.zip"],
                "127.0.0.1:9"
            ),
            (["deploy", "--template", "/no/such.yaml", "--package", "x"], "/no/such.yaml"),
            (["deploy", "--package", "x", "--memory", "1"], "--memory 1"),
            (["deploy", "--package", "x", "--stack", "Ä"], "--stack"),
            (["teardown"], "127.0.0.1:9"),
        ] {
            let outcome = try run(arguments, on: nowhere)
            #expect(outcome.code == 2, "\(outcome)")
            #expect(outcome.errors.contains(words), "\(outcome)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome)")
        }
    }

    /// A zip without entries: what the deployment carries, it does not read.
    private static let emptyZip = Data([0x50, 0x4B, 5, 6] + [UInt8](repeating: 0, count: 18))
}

/// ministack on a port of its own.
private final class LocalAWS {
    static let program = S3Server.ministack.program
    static let missing: Comment = "ministack is not there: scripts/setup --tests"

    let url: String
    private let process: Process?

    init() throws {
        let port = UInt16.random(in: 20_000...29_999)
        url = "http://127.0.0.1:\(port)"
        let process = Process()
        process.executableURL = URL(filePath: try #require(Self.program))
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["GATEWAY_PORT": "\(port)", "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "ERROR"],
            uniquingKeysWith: { $1 })
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
        let deadline = Date(timeIntervalSinceNow: 60)
        while (try? get("/_localstack/health")) == nil {
            try #require(Date() < deadline && process.isRunning, "ministack does not answer")
            usleep(100_000)
        }
    }

    init(nowhere url: String) {
        self.url = url
        process = nil
    }

    func end() {
        guard let process else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Names an SSM parameter that holds the id of an image.
    func putImage() throws -> String {
        let body = Array(
            #"{"Name":"/test/image","Value":"ami-0123456789abcdef0","Type":"String"}"#.utf8)
        let response = try body.withUnsafeBytes { body in
            var request = HTTPRequest(
                "POST", try Endpoint(parsing: url), path: "/",
                headers: [
                    ("x-amz-target", "AmazonSSM.PutParameter"),
                    ("content-type", "application/x-amz-json-1.1"),
                ], body: body)
            sign(&request, "ssm")
            return try HTTPClient().perform(request, deadline: .now + .seconds(10))
        }
        #expect(response.isSuccess)
        return "/test/image"
    }

    private func sign(_ request: inout HTTPRequest, _ service: String) {
        RequestSigner(
            credentials: Credentials(accessKeyID: "AKIATEST", secretAccessKey: "any"),
            region: "eu-central-1", service: service
        ).sign(&request)
    }

    func get(_ path: String, service: String = "lambda") throws -> String {
        var request = HTTPRequest("GET", try Endpoint(parsing: url), path: path)
        sign(&request, service)
        let response = try HTTPClient().perform(request, deadline: .now + .seconds(10))
        return String(decoding: response.body, as: UTF8.self)
    }
}
