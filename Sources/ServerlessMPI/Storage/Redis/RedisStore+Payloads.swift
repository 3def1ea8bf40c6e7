// Payloads of messages that go another way (`PayloadStore`): in parts under keys of their own, which
// are gone once they are read, or expire.

import MessagePassing

extension RedisStore {
    private func payloadKey(sender: Int, _ number: UInt64, _ index: Int) -> String {
        "\(prefix)payload:\(sender):\(number):\(index)"
    }

    func leave(
        _ payload: UnsafeRawBufferPointer, number: UInt64, for receiver: Int,
        deadline: ContinuousClock.Instant
    ) throws(MPIError) {
        try monitor.withLock { () throws(MPIError) in
            try appendParts(payload) { payloadKey(sender: rank, number, $0) }
            try commands.settle(deadline: deadline)
        }
    }

    func take(
        into buffer: UnsafeMutableRawBufferPointer, of byteCount: Int, number: UInt64,
        from sender: Int, deadline: ContinuousClock.Instant
    ) throws(MPIError) {
        let key = { self.payloadKey(sender: sender, number, $0) }
        if buffer.count == byteCount {
            return try fetch(into: buffer, from: sender, deadline) { index, _ in
                ["GETDEL", key(index)]
            }
        }
        try fetch(into: buffer, from: sender, deadline) { index, length in
            ["GETRANGE", key(index), "0", String(length - 1)]
        }
        unlink((0..<Self.partCount(byteCount)).map(key))
    }
}
