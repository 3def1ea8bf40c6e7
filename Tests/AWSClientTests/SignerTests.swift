// The signer against botocore, AWS's own client: 200 random requests, and with `make test-full`
// 200 others that botocore signs while the test runs.

import Foundation
import Testing

@testable import AWSClient

@Suite struct SignerTests {
    static let vectors = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Vectors").standardized

    @Test func `200 random requests are signed as botocore signs them`() throws {
        let data = try Data(contentsOf: Self.vectors.appending(path: "sigv4-expected.json"))
        try check(data)
    }

    @Test(
        "requests of another seed are signed as botocore signs them now (make test-full)",
        .enabled(if: Botocore.python != nil, Botocore.missing))
    func live() throws {
        let process = Process()
        process.executableURL = URL(filePath: try #require(Botocore.python))
        let seed = UInt32.random(in: 1 ... .max)
        process.arguments = [
            Self.vectors.appending(path: "sigv4_expected.py").path, String(seed),
        ]
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "seed \(seed)")
        try check(data, "seed \(seed), ")
    }

    private func check(_ data: Data, _ what: String = "") throws {
        let cases = try JSONDecoder().decode([SignedRequest].self, from: data)
        #expect(cases.count == 200)
        #expect(cases.contains { $0.sessionToken != nil })
        for (index, expected) in cases.enumerated() {
            #expect(
                try expected.authorization == expected.signedHere(),
                "\(what)request \(index): \(expected)")
        }
    }

    @Test func `signing again replaces the signature`() throws {
        let signer = RequestSigner(
            credentials: Credentials(accessKeyID: "a", secretAccessKey: "b", sessionToken: "c"),
            region: "eu-central-1", service: "s3")
        var request = HTTPRequest("GET", try Endpoint(parsing: "http://127.0.0.1:1"), path: "/k")
        signer.sign(&request, at: Timestamp(secondsSinceEpoch: 0))
        let first = request.headers.map { "\($0)" }
        signer.sign(&request, at: Timestamp(secondsSinceEpoch: 0))
        #expect(request.headers.map { "\($0)" } == first)
        #expect(Timestamp(secondsSinceEpoch: 951_782_399).text == "20000228T235959Z")
        #expect(Timestamp(secondsSinceEpoch: 951_782_400).text == "20000229T000000Z")
    }
}

@Suite struct CredentialsTests {
    @Test func `secrets are not shown, whatever prints them`() {
        let credentials = Credentials(
            accessKeyID: "AKID", secretAccessKey: "hush", sessionToken: "whisper")
        let signer = RequestSigner(credentials: credentials, region: "r", service: "s3")
        for text in [
            "\(credentials)", String(reflecting: credentials), "\(signer)",
            String(reflecting: signer),
        ] {
            #expect(!text.contains("hush") && !text.contains("whisper"), "\(text)")
        }
        var dumped = ""
        dump(signer, to: &dumped)
        #expect(!dumped.contains("hush") && !dumped.contains("whisper"), "\(dumped)")
    }

    @Test(arguments: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
    func `a missing variable is named`(name: String) {
        var variables = ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"]
        variables[name] = ""
        let error = #expect(throws: AWSError.self) { try Credentials.from { variables[$0] } }
        #expect(error?.code == .credentialsMissing && "\(error!)".contains(name))
    }

    @Test func `an empty session token is none`() throws {
        let variables = [
            "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "",
        ]
        #expect(try Credentials.from { variables[$0] }.sessionToken == nil)
    }
}

/// A request and what botocore signed it with.
private struct SignedRequest: Decodable {
    var service, region, endpoint, method, path: String
    var query, headers: [[String]]
    var body: Data
    var accessKeyID, secretAccessKey: String
    var sessionToken: String?
    var moment: Int
    var unsignedPayload: Bool
    var authorization: String

    func signedHere() throws -> String? {
        let signer = RequestSigner(
            credentials: Credentials(
                accessKeyID: accessKeyID, secretAccessKey: secretAccessKey,
                sessionToken: sessionToken),
            region: region, service: service)
        return try body.withUnsafeBytes { body in
            var request = HTTPRequest(
                method, try Endpoint(parsing: endpoint), path: path,
                query: query.map { ($0[0], $0[1]) }, headers: headers.map { ($0[0], $0[1]) },
                body: body)
            signer.sign(
                &request, payload: unsignedPayload ? .unsigned : .signed,
                at: Timestamp(secondsSinceEpoch: moment))
            return request.headers.first { $0.name == "authorization" }?.value
        }
    }
}

/// A Python with botocore, where `make test-full` has one.
private enum Botocore {
    static let missing: Comment =
        "the long form only, with AWS_PEERS_VENV naming a virtual environment with botocore"

    static let python: String? = {
        let environment = ProcessInfo.processInfo.environment
        guard environment["TEST_FULL"] == "1", let folder = environment["AWS_PEERS_VENV"] else {
            return nil
        }
        let path = "\(folder)/bin/python"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()
}
