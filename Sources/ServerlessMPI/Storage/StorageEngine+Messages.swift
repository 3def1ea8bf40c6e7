// Sending and receiving: a send leaves its message in the store, an arrival meets its receive.

import MessagePassing

extension StorageEngine {
    func isend(
        _ bytes: UnsafeRawBufferPointer, in space: StorageSpace, to destination: Int, tag: Tag,
        call: UInt64
    ) throws(MPIError) -> RequestHandle {
        try checkAlive()
        var frame = StoredFrame()
        frame.sender = store.rank
        frame.contextID = space.contextID
        frame.source = space.rank
        frame.tag = tag
        frame.call = call
        frame.payloadByteCount = bytes.count
        let target = space.group[destination]
        if target == store.rank {
            // Nobody else needs to know of it.
            let arrival = Arrival(frame: frame, bytes: [UInt8](bytes))
            let found = monitor.withLock {
                arrive(arrival)
                monitor.broadcast()
                return takeTransfers()
            }
            run(found)
            store.wake()
            return .completed
        }
        frame.number = store.number(to: target)
        guard let pool else {
            do throws(MPIError) {
                try store.put(frame, bytes, to: target, deadline: .now + timeout)
            } catch {
                throw fail(error)
            }
            return .completed
        }
        let id = monitor.withLock {
            let id = newID()
            operations[id] = Operation(phase: .transferring, isSend: true)
            transferCount += 1
            return id
        }
        let payload = Foreign(bytes)
        pool.submit { [self, frame] in
            var failed: MPIError?
            do throws(MPIError) {
                try store.put(frame, payload.bytes, to: target, deadline: .now + timeout)
            } catch {
                failed = fail(error)
            }
            endTransfer(of: id, failed)
        }
        return RequestHandle(rawValue: UInt64(id))
    }

    func irecv(
        into buffer: UnsafeMutableRawBufferPointer, in space: StorageSpace, from source: Source,
        tag: Tag, call: UInt64
    ) throws(MPIError) -> RequestHandle {
        try checkAlive()
        let target = ForeignTarget(buffer)
        let (id, found, isWaiting) = monitor.withLock {
            let id = newID()
            operations[id] = Operation(
                contextID: space.contextID, source: source == .any ? -1 : source.rawValue,
                buffer: target.bytes)
            if let message = space.queues.post(
                receive: id, source: source, tag: tag, call: call),
                let arrival = messages.removeValue(forKey: message)
            {
                deliver(arrival, to: id)
                return (id, takeTransfers(), false)
            }
            return (id, [], isPolling)
        }
        run(found)
        // Who polls must know of the new sender.
        if isWaiting && store.pollsBySender { store.wake() }
        return RequestHandle(rawValue: UInt64(id))
    }

    /// Starts the receive of a message that a matched probe took.
    func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        try checkAlive()
        let target = ForeignTarget(buffer)
        let (id, found) = monitor.withLock { () -> (UInt32, [@Sendable () -> Void]) in
            let key = UInt32(truncatingIfNeeded: message.rawValue)
            guard let arrival = messages.removeValue(forKey: key) else { return (0, []) }
            let id = newID()
            operations[id] = Operation(
                contextID: arrival.frame.contextID, source: arrival.frame.source,
                buffer: target.bytes)
            deliver(arrival, to: id)
            return (id, takeTransfers())
        }
        guard id != 0 else {
            throw .invalidArgument("imrecv", "the message has been received already")
        }
        run(found)
        return RequestHandle(rawValue: UInt64(id))
    }

    /// A message was found. Under the lock.
    func arrive(_ arrival: Arrival) {
        let frame = arrival.frame
        guard let space = spaces[frame.contextID] else {
            early[frame.contextID, default: []].append(arrival)
            return
        }
        if frame.call != 0,
            let error = space.ledger.mismatch(arrived: frame.call, from: frame.source)
        {
            transfers.append { [self] in fail(error) }
            return
        }
        let id = newID()
        if let receive = space.queues.arrive(frame.envelope, message: id) {
            deliver(arrival, to: receive)
        } else {
            messages[id] = arrival
        }
    }

    /// A message has met its receive. Under the lock.
    private func deliver(_ arrival: Arrival, to id: UInt32) {
        guard var operation = operations[id] else { return }
        defer { operations[id] = operation }
        operation.status = arrival.frame.status
        let length = arrival.frame.payloadByteCount
        guard length <= operation.buffer.count else {
            operation.phase = .done
            operation.error = .truncated(
                "recv", from: arrival.frame.source, tag: Int(arrival.frame.tag.rawValue),
                capacity: operation.buffer.count, actual: length)
            if !arrival.isComplete { transfers.append { [store] in store.discard(arrival) } }
            return
        }
        let target = operation.buffer.part(0, length)
        if arrival.isComplete {
            target.copyBytes(from: arrival.bytes)
            operation.phase = .done
            return
        }
        operation.phase = .transferring
        transferCount += 1
        let place = ForeignTarget(target)
        transfers.append { [self] in
            var failed: MPIError?
            do throws(MPIError) {
                try store.fetch(arrival, into: place.bytes, deadline: .now + timeout)
            } catch {
                failed = fail(error)
            }
            endTransfer(of: id, failed)
        }
    }

    private func endTransfer(of id: UInt32, _ failed: MPIError?) {
        monitor.withLock {
            operations[id]?.phase = .done
            operations[id]?.error = failed
            transferCount -= 1
            monitor.broadcast()
        }
        store.wake()
    }

    /// Under the lock.
    func takeTransfers() -> [@Sendable () -> Void] {
        defer { transfers = [] }
        return transfers
    }

    /// Not under the lock.
    func run(_ transfers: [@Sendable () -> Void]) {
        for transfer in transfers {
            if let pool { pool.submit(transfer) } else { transfer() }
        }
    }
}

/// The program's memory, which stays valid until its request completes.
struct Foreign: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }
}

struct ForeignTarget: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer
    init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }
}
