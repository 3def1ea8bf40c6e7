// Real storage servers for tests, on free ports of loopback, ended by the test that started them.

import AWSClient
import Glibc
import Testing

@testable import ServerlessMPI

/// The stores that the tests of this folder run on.
enum Store: String, CaseIterable, CustomTestStringConvertible {
    case redis
    case s3

    static let available = allCases.filter { $0.program != nil }
    static let missing: Comment = "redis-server or moto_server is missing: scripts/setup --tests"

    var testDescription: String { rawValue }

    /// scripts/setup --tests puts moto_server into .venv-aws.
    var program: String? {
        let folders =
            [getenv("AWS_PEERS_VENV").map { String(cString: $0) + "/bin" }, ".venv-aws/bin"]
            .compactMap { $0 }
            + (getenv("PATH").map { String(cString: $0) } ?? "")
            .split(separator: ":").map(String.init)
        let name = self == .redis ? "redis-server" : "moto_server"
        return folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}

final class StoreServer: Sendable {
    let store: Store
    let port: UInt16
    let pid: pid_t
    private static let bucket = "tests"
    private static let credentials = Credentials(accessKeyID: "test", secretAccessKey: "test")

    init(_ store: Store) throws {
        self.store = store
        port = try TestServer.freePort()
        let program = try #require(store.program)
        let arguments =
            store == .redis
            ? [
                "--bind", "127.0.0.1", "--port", "\(port)", "--save", "", "--appendonly", "no",
                "--dir", "/",
            ] : ["-H", "127.0.0.1", "-p", "\(port)"]
        pid = try TestServer.spawn(program, arguments)
        try #require(TestServer.accepts(port), "\(store) does not listen")
        if store == .s3 { try client().createBucket(deadline: .now + .seconds(20)) }
    }

    deinit { end() }

    func end() {
        TestServer.end(pid)
    }

    func client() throws -> S3Client {
        S3Client(
            bucket: Self.bucket, region: "us-east-1",
            endpoint: try Endpoint(parsing: "http://127.0.0.1:\(port)"),
            credentials: Self.credentials)
    }

    func connection() throws -> RedisConnection {
        try RedisConnection(
            host: "127.0.0.1", port: port, password: nil, deadline: .now + .seconds(5),
            writeTimeout: .seconds(5))
    }

    func url(_ job: String, size: Int, _ settings: String = "") -> String {
        switch store {
        case .redis: "redis://127.0.0.1:\(port)/\(job)?size=\(size)\(settings)"
        case .s3:
            "s3://\(Self.bucket)/folder/\(job)?size=\(size)&endpoint=http://127.0.0.1:\(port)"
                + settings
        }
    }

    /// Everything that is in the store.
    func keys() throws -> [String] {
        switch store {
        case .redis:
            try connection().call(["KEYS", "*"], deadline: .now + .seconds(5)).value.elements
                .compactMap(\.text)
        case .s3: try client().list("", deadline: .now + .seconds(20)).keys
        }
    }
}
