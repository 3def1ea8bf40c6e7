// A job through a store of its own: the server, and each rank on its own.

import Foundation
import Testing

final class StorageJob {
    enum Store: String, CustomStringConvertible {
        case redis = "redis-server"
        case s3 = "moto_server"

        static let all: [Store] = [.redis, .s3]
        var description: String { rawValue }

        /// scripts/setup --tests puts programs from PyPI into .venv-aws.
        var program: String? {
            let environment = ProcessInfo.processInfo.environment
            let folders =
                [environment["AWS_PEERS_VENV"].map { "\($0)/bin" }, ".venv-aws/bin"]
                .compactMap { $0 }
                + (environment["PATH"] ?? "").split(separator: ":").map(String.init)
            return folders.map { "\($0)/\(rawValue)" }.first { access($0, X_OK) == 0 }
        }
    }

    static let isPossible = Store.all.allSatisfy { $0.program != nil }
    static let missing: Comment = "redis-server or moto_server is missing: scripts/setup --tests"

    private let server: StoreProgram
    private let size: Int
    private let url: String
    private(set) var ranks: [StartedProgram] = []
    private static let variables = [
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
    ]

    init(_ store: Store, size: Int, _ settings: String) throws {
        self.size = size
        server = try StoreProgram(store)
        url =
            switch store {
            case .redis: "\(server.place)/faults?size=\(size)\(settings)"
            case .s3: "\(server.place)/job?size=\(size)\(server.settings)\(settings)"
            }
    }

    func startAll(_ arguments: [String]) throws {
        for rank in 0..<size {
            let variables = Self.variables.merging([
                "SERVERLESS_MPI_URL": url, "SERVERLESS_MPI_RANK": "\(rank)",
            ]) { $1 }
            ranks.append(
                try StartedProgram("conformance-serverless", arguments, variables: variables))
        }
    }
}

/// The server of a store, for one test.
final class StoreProgram {
    /// `redis://HOST:PORT` or `s3://BUCKET`.
    let place: String
    /// What of an S3 URL follows `size`.
    let settings: String
    private let server: StartedProgram

    init(_ store: StorageJob.Store) throws {
        guard let program = store.program else { throw Unexpected("no \(store)") }
        let port = try freePort()
        switch store {
        case .redis:
            server = try StartedProgram(
                program,
                ["--bind", "127.0.0.1", "--port", "\(port)", "--save", "", "--dir", "/"])
            place = "redis://127.0.0.1:\(port)"
            settings = ""
        case .s3:
            server = try StartedProgram(program, ["-H", "127.0.0.1", "-p", "\(port)"])
            place = "s3://faults"
            settings = "&endpoint=http://127.0.0.1:\(port)&region=us-east-1"
        }
        try waitUntilListening(port)
        if store == .s3 { try createBucket(port) }
    }

    private func waitUntilListening(_ port: UInt16) throws {
        for _ in 0..<1500 {
            if let socket = connected(port) {
                close(socket)
                return
            }
            usleep(20_000)
        }
        throw Unexpected("no server: \(server.report)")
    }

    /// moto asks for no signature.
    private func createBucket(_ port: UInt16) throws {
        guard let socket = connected(port) else { throw Unexpected("no server") }
        defer { close(socket) }
        let request =
            "PUT /faults HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nContent-Length: 0\r\n"
            + "Connection: close\r\n\r\n"
        _ = Array(request.utf8).withUnsafeBytes { write(socket, $0.baseAddress, $0.count) }
        var answer = [UInt8](repeating: 0, count: 4096)
        let count = read(socket, &answer, answer.count)
        let text = String(decoding: answer.prefix(max(0, count)), as: UTF8.self)
        guard text.contains(" 200 ") else { throw Unexpected("no bucket: \(text)") }
    }
}

private func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}

private func connected(_ port: UInt16) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = loopback(port)
    let status = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    if status == 0 { return descriptor }
    close(descriptor)
    return nil
}

private func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = loopback(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
        }
    }
    guard isBound else { throw Unexpected("no free port") }
    return UInt16(bigEndian: address.sin_port)
}
