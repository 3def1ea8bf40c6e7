// Texts that people, launchers and other programs write: URLs, environments, JSON.

import CompactJSON
import MessagePassing

@testable import ServerlessMPI

extension FuzzTarget {
    static let texts: [FuzzTarget] = [
        FuzzTarget(
            name: "join-url",
            seeds: {
                [
                    "rendezvous://127.0.0.1:7000/job?size=4",
                    "rendezvous://[::1]:1/a.b-c_d?size=2&epoch=7&encryption=none&join-timeout=1.5"
                        + "&observer=7001&mesh=8&keepalive=60&resume=always&candidates=relayed",
                ].map { Array($0.utf8) }
            }
        ) { bytes in
            guard let url = try? JoinURL(parsing: String(decoding: bytes, as: UTF8.self))
            else { return }
            require((try? JoinURL(parsing: url.description)) == url, "\(url) changes")
        },
        FuzzTarget(
            name: "storage-url",
            seeds: {
                [
                    "redis://[::1]:6379/a.b-c_d?size=1&epoch=7&expiry=60",
                    "s3://bucket/f/job?size=2&endpoint=http://127.0.0.1:9000&epoch=3",
                ].map { Array($0.utf8) }
            }
        ) { bytes in
            guard let url = try? StorageURL(parsing: String(decoding: bytes, as: UTF8.self))
            else { return }
            require((try? StorageURL(parsing: url.description)) == url, "\(url) changes")
        },
        FuzzTarget(name: "environment", seeds: { [Array(environment.utf8)] }) { bytes in
            let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            var values: [String: String] = [:]
            for line in lines {
                let parts = line.split(separator: "=", maxSplits: 1)
                if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
            }
            do throws(MPIError) {
                _ = try JoinConfiguration.from { values[$0] }
            } catch {
                for name in ["SERVERLESS_MPI_SERVER_KEY", "SERVERLESS_MPI_PEER_SECRET"] {
                    guard let secret = values[name], secret.utf8.count >= 32 else { continue }
                    require(!error.description.contains(secret), "\(name) is in an error")
                }
            }
        },
        FuzzTarget(
            name: "json",
            seeds: {
                [
                    #"{"a":[1,-2.5e3,true,null,"\u00e9\ud83d\ude00\n"],"b":{"c":""}}"#,
                    "[[[[[[1]]]]]]", "1e400", #""\u0000""#,
                ].map { Array($0.utf8) }
            }
        ) { bytes in
            guard let value = JSONValue(parsing: bytes) else { return }
            let text = value.description
            guard let again = JSONValue(parsing: text) else {
                fatalError("fuzz: \(text) is no JSON")
            }
            require(again.description == text, "\(text) changes")
        },
    ]

    private static let environment = """
        SERVERLESS_MPI_URL=rendezvous://127.0.0.1:7000/job?size=4
        SERVERLESS_MPI_RANK=1
        SERVERLESS_MPI_SERVER_KEY=\(String(repeating: "a5", count: 32))
        SERVERLESS_MPI_PEER_SECRET=\(String(repeating: "5a", count: 32))
        SERVERLESS_MPI_CHANNELS=sizes:direct@0,redis@1024,s3@65536
        SERVERLESS_MPI_REDIS=redis://127.0.0.1:6379
        SERVERLESS_MPI_TURN_URL=turn:relay.example:3478?transport=tcp
        SERVERLESS_MPI_TURN_USERNAME=user
        SERVERLESS_MPI_TURN_PASSWORD=word
        """
}
