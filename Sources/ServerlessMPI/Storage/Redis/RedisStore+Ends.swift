// The end of a job on Redis: in order, the last rank to leave removes its keys; or with the first
// cause, which every rank finds in its inbox.

import MessagePassing

extension RedisStore {
    /// SET NX decides whose cause is the first; its owner tells everybody.
    func publish(cause: MPIError) -> MPIError {
        let deadline = ContinuousClock.now + min(timeout, .seconds(5))
        let bytes = AbortCause.encode(cause)
        return monitor.withLock {
            do throws(MPIError) {
                let key = "\(prefix)cause"
                let isFirst = try bytes.span.withUnsafeBytes { (bytes) throws(MPIError) in
                    try commands.call(["SETNX", key], bytes, deadline: deadline).value.integer == 1
                }
                if !isFirst {
                    let reply = try commands.call(["GET", key], deadline: deadline)
                    return reply.value.withBytes { AbortCause.decode($0) ?? cause } ?? cause
                }
                try commands.append(["PEXPIRE", key, expiryMilliseconds])
                var frame = StoredFrame()
                frame.place = .abort
                frame.sender = rank
                frame.payloadByteCount = bytes.count
                for peer in 0..<size where peer != rank {
                    try bytes.span.withUnsafeBytes { (bytes) throws(MPIError) in
                        try append(frame, bytes, to: peer)
                    }
                }
                try commands.flush()
                try commands.settle(deadline: deadline)
                return cause
            } catch {
                return cause
            }
        }
    }

    func leave(deadline: ContinuousClock.Instant) throws(MPIError) {
        try monitor.withLock { () throws(MPIError) in
            try commands.settle(deadline: deadline)
            try endLease(deadline)
            let key = "\(prefix)left"
            let left = try commands.call(["INCR", key], deadline: deadline).value.integer
            if left == size {
                try removeAll(deadline)
            } else {
                _ = try commands.call(["PEXPIRE", key, expiryMilliseconds], deadline: deadline)
            }
        }
    }

    /// SCAN looks at every key of the server, a thousand at a time, and blocks nobody.
    private func removeAll(_ deadline: ContinuousClock.Instant) throws(MPIError) {
        let pattern = prefix + "*"
        var cursor = "0"
        repeat {
            let reply = try commands.call(
                ["SCAN", cursor, "MATCH", pattern, "COUNT", "1000"], deadline: deadline)
            let parts = reply.value.elements
            guard parts.count == 2, let next = parts[0].text else { return }
            let keys = parts[1].elements.compactMap(\.text)
            if !keys.isEmpty { _ = try commands.call(["UNLINK"] + keys, deadline: deadline) }
            cursor = next
        } while cursor != "0"
    }
}
