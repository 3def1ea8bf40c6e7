// What AWS's services answer: HTTP/1.1 of the Runtime API, XML of S3.

import CompactHTTP
import Glibc

@testable import AWSClient

extension FuzzTarget {
    static let clouds: [FuzzTarget] = [
        FuzzTarget(
            name: "http",
            seeds: {
                [
                    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nLambda-Runtime-Deadline-Ms: 1\r\n\r\nhello",
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
                    "POST /2018-06-01/x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
                ].map { [0] + Array($0.utf8) }
            }
        ) { bytes in
            guard let kind = bytes.first else { return }
            var limits = HTTPLimits(bodyByteCountMax: 1000)
            limits.headByteCountMax = 2000
            limits.fieldCountMax = 8
            var reader = HTTPReader(kind & 1 == 0 ? .response : .request, limits: limits)
            var rest = bytes.dropFirst()
            // In pieces, as a network delivers them.
            let length = max(1, Int(kind >> 1))
            for _ in 0..<100 {
                let message = try? reader.next { buffer in
                    let count = min(buffer.count, length, rest.count)
                    buffer.copyBytes(from: rest.prefix(count))
                    rest = rest.dropFirst(count)
                    return count
                }
                guard let message else { return }
                require(message.body.count <= 1000, "a body of \(message.body.count) bytes")
                require(message.fields.count <= 8, "\(message.fields.count) fields")
            }
        },
        FuzzTarget(
            name: "xml",
            seeds: {
                [
                    Array(
                        ("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>true</IsTruncated>"
                            + "<Contents><Key>a&amp;b&#x2F;c&#47;</Key></Contents>"
                            + "<NextContinuationToken>t==</NextContinuationToken></ListBucketResult>")
                            .utf8)
                ]
            }
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            for element in ["Key", "IsTruncated", "NextContinuationToken", "Code"] {
                let values = XMLText.values(of: element, in: text)
                require(values.count <= bytes.count, "more values than bytes")
            }
        },
    ]
}
