// Payloads of messages that go another way (`PayloadStore`): one object each, removed by who has read
// it.

import AWSClient
import MessagePassing

extension S3Store {
    private func payloadKey(to receiver: Int, from sender: Int, _ number: UInt64) -> String {
        "\(folder)payload/\(receiver)/\(sender)/\(number)"
    }

    func leave(
        _ payload: UnsafeRawBufferPointer, number: UInt64, for receiver: Int,
        deadline: ContinuousClock.Instant
    ) throws(MPIError) {
        let key = payloadKey(to: receiver, from: rank, number)
        try write(key, payload, String(payload.count), deadline: deadline)
    }

    func take(
        into buffer: UnsafeMutableRawBufferPointer, of byteCount: Int, number: UInt64,
        from sender: Int, deadline: ContinuousClock.Instant
    ) throws(MPIError) {
        let key = payloadKey(to: rank, from: sender, number)
        defer { remove([key]) }
        if buffer.isEmpty { return }
        let object = try withHead { () throws(MPIError) in
            meter.read(buffer.count)
            return try translated("recv") { () throws(AWSError) in
                try bucket.get(key, range: 0..<buffer.count, into: buffer, deadline: deadline)
            }
        }
        guard object?.byteCount == buffer.count, object?.totalByteCount == byteCount else {
            throw MPIError(
                .system, operation: "recv", reason: "the payload \(key) is gone", peer: sender)
        }
    }
}
