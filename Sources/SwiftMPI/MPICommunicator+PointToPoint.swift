// Point-to-point calls (MPI 4.1 §3), each one MPI call and no allocation. A RequestHandle holds the
// MPI_Request's bits: `wait`, a successful `test` and a successful `cancel` free it, and nothing
// else refers to it.

import CMPIShim
import MessagePassing

extension MPICommunicator {
    /// MPI_Isend; a message of more than 2³¹ − 1 bytes is one element of a derived type.
    public func isend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try send(bytes, to: destination, tag, try handle(for: context), "isend")
    }

    /// MPI_Issend.
    public func issend(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag
    ) throws(MPIError) -> RequestHandle {
        try send(bytes, to: destination, tag, handle, "issend", isSynchronous: true)
    }

    @inline(__always)
    private func send(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, _ tag: Tag,
        _ handle: UInt64, _ operation: String, isSynchronous: Bool = false
    ) throws(MPIError) -> RequestHandle {
        try checkDestination(operation, destination, tag)
        var request: UInt64 = 0
        try check(
            cmpi_isend(
                bytes.baseAddress, bytes.count, Int64(destination.rawValue), tag.rawValue, handle,
                isSynchronous ? 1 : 0, &request),
            operation, peer: destination.rawValue, tag: tag)
        return RequestHandle(rawValue: request)
    }

    /// MPI_Irecv.
    public func irecv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> RequestHandle {
        try checkSelection("irecv", source, tag)
        var request: UInt64 = 0
        try check(
            cmpi_irecv(
                buffer.baseAddress, buffer.count, Int64(source.rawValue), tag.rawValue,
                try handle(for: context), &request),
            "irecv", peer: source.rawValue, tag: tag)
        return RequestHandle(rawValue: request)
    }

    /// MPI_Send; with a deadline MPI_Isend and MPI_Test.
    public func send(
        _ bytes: UnsafeRawBufferPointer, to destination: Destination, tag: Tag, context: Context
    ) throws(MPIError) {
        let handle = try handle(for: context)
        guard seconds < 0 else {
            _ = try wait(try send(bytes, to: destination, tag, handle, "send"))
            return
        }
        try checkDestination("send", destination, tag)
        try check(
            cmpi_send(
                bytes.baseAddress, bytes.count, Int64(destination.rawValue), tag.rawValue, handle),
            "send", peer: destination.rawValue, tag: tag)
    }

    /// MPI_Recv; with a deadline MPI_Irecv and MPI_Test.
    public func recv(
        into buffer: UnsafeMutableRawBufferPointer, from source: Source, tag: Tag, context: Context
    ) throws(MPIError) -> Status {
        try checkSelection("recv", source, tag)
        guard seconds < 0 else {
            return try wait(try irecv(into: buffer, from: source, tag: tag, context: context))
        }
        var status = cmpi_status()
        let code = cmpi_recv(
            buffer.baseAddress, buffer.count, Int64(source.rawValue), tag.rawValue,
            try handle(for: context), &status)
        if code != CMPI_SUCCESS {
            throw failure(code, "recv", peer: source.rawValue, tag: tag, of: status)
        }
        return Status(status)
    }

    @inline(__always)
    private func checkDestination(
        _ operation: String, _ destination: Destination, _ tag: Tag
    ) throws(MPIError) {
        guard destination == .none || (0..<size).contains(destination.rawValue) else {
            throw .invalidArgument(operation, "no rank \(destination) in a group of \(size)")
        }
        guard (0...tagBound).contains(tag.rawValue) else {
            throw .invalidArgument(operation, "tag \(tag) cannot be sent; use 0 ... \(tagBound)")
        }
    }

    private func checkSelection(
        _ operation: String, _ source: Source, _ tag: Tag
    ) throws(MPIError) {
        guard source == .any || source == .none || (0..<size).contains(source.rawValue) else {
            throw .invalidArgument(operation, "no rank \(source) in a group of \(size)")
        }
        guard tag == .any || (0...tagBound).contains(tag.rawValue) else {
            throw .invalidArgument(operation, "tag \(tag) does not exist; use 0 ... \(tagBound)")
        }
    }

    // MARK: Completion

    /// MPI_Wait.
    public func wait(_ request: RequestHandle) throws(MPIError) -> Status {
        var status = cmpi_status()
        let code = cmpi_wait(request.rawValue, seconds, &status)
        return try outcome(of: request, code, status, "wait")
    }

    /// MPI_Test.
    public func test(_ request: RequestHandle) throws(MPIError) -> Status? {
        var status = cmpi_status()
        var isComplete: Int32 = 0
        let code = cmpi_test(request.rawValue, &isComplete, &status)
        if code == CMPI_SUCCESS && isComplete == 0 { return nil }
        return try outcome(of: request, code, status, "test")
    }

    /// MPI_Waitany.
    public func waitAny(
        _ requests: UnsafeBufferPointer<RequestHandle>, index: inout Int
    ) throws(MPIError) -> Status {
        precondition(!requests.isEmpty, "waitAny of no requests")
        var status = cmpi_status()
        var position: Int64 = -1
        let code = requests.withMemoryRebound(to: UInt64.self) {
            cmpi_waitany($0.baseAddress, $0.count, seconds, &position, &status)
        }
        index = Int(position)
        guard index >= 0 else {
            try check(code, "waitAny")
            throw MPIError(
                .system, operation: "waitAny", reason: "MPI knows none of these requests")
        }
        return try outcome(of: requests[index], code, status, "waitAny")
    }

    /// MPI_Waitall.
    public func waitAll(
        _ requests: UnsafeBufferPointer<RequestHandle>,
        statuses: UnsafeMutableBufferPointer<Status>
    ) throws(MPIError) {
        let failure: MPIError? = withUnsafeTemporaryAllocation(
            of: cmpi_status.self, capacity: requests.count
        ) { raw in
            raw.initialize(repeating: cmpi_status())
            let code = requests.withMemoryRebound(to: UInt64.self) {
                cmpi_waitall($0.baseAddress, $0.count, seconds, raw.baseAddress)
            }
            do throws(MPIError) {
                for (index, request) in requests.enumerated() where raw[index].error != 0 {
                    _ = try outcome(of: request, raw[index].error, raw[index], "waitAll")
                }
                try check(code, "waitAll")
                for (index, request) in requests.enumerated() where !statuses.isEmpty {
                    statuses[index] = try outcome(
                        of: request, CMPI_SUCCESS, raw[index], "waitAll")
                }
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// MPI_Cancel of a receive. Sends are never cancelled (MPI 4.1 §3.8.4 deprecates that).
    public func cancel(_ request: RequestHandle) -> Bool {
        cmpi_cancel(request.rawValue) != 0
    }

    /// The status of a completed request, or its error.
    private func outcome(
        of request: RequestHandle, _ code: Int32, _ status: cmpi_status, _ operation: String
    ) throws(MPIError) -> Status {
        let isSend = request.rawValue & CMPI_SEND_BIT != 0
        if code != CMPI_SUCCESS {
            throw failure(code, operation, of: isSend ? nil : status)
        }
        if isSend { return .empty }
        if status.is_cancelled != 0 {
            throw MPIError(
                .cancelled, operation: operation, reason: "no message had matched the receive")
        }
        return Status(status)
    }

    // MARK: Probes

    /// MPI_Iprobe.
    public func iprobe(from source: Source, tag: Tag) throws(MPIError) -> Status? {
        try checkSelection("iprobe", source, tag)
        var status = cmpi_status()
        var isThere: Int32 = 0
        try check(
            cmpi_iprobe(Int64(source.rawValue), tag.rawValue, handle, &isThere, &status),
            "iprobe", peer: source.rawValue, tag: tag)
        return isThere == 0 ? nil : Status(status)
    }

    /// MPI_Probe.
    public func probe(from source: Source, tag: Tag) throws(MPIError) -> Status {
        try checkSelection("probe", source, tag)
        var status = cmpi_status()
        try check(
            cmpi_probe(Int64(source.rawValue), tag.rawValue, handle, seconds, &status),
            "probe", peer: source.rawValue, tag: tag)
        return Status(status)
    }

    /// MPI_Improbe.
    public func improbeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status)? {
        try checkSelection("improbe", source, tag)
        var status = cmpi_status()
        var isThere: Int32 = 0
        var message: UInt64 = 0
        try check(
            cmpi_improbe(
                Int64(source.rawValue), tag.rawValue, handle, &isThere, &message, &status),
            "improbe", peer: source.rawValue, tag: tag)
        return isThere == 0 ? nil : (MessageHandle(rawValue: message), Status(status))
    }

    /// MPI_Mprobe.
    public func mprobeHandle(
        from source: Source, tag: Tag
    ) throws(MPIError) -> (message: MessageHandle, status: Status) {
        try checkSelection("mprobe", source, tag)
        var status = cmpi_status()
        var message: UInt64 = 0
        try check(
            cmpi_mprobe(
                Int64(source.rawValue), tag.rawValue, handle, seconds, &message, &status),
            "mprobe", peer: source.rawValue, tag: tag)
        return (MessageHandle(rawValue: message), Status(status))
    }

    /// MPI_Imrecv.
    public func imrecv(
        _ message: MessageHandle, into buffer: UnsafeMutableRawBufferPointer
    ) throws(MPIError) -> RequestHandle {
        var request: UInt64 = 0
        try check(
            cmpi_imrecv(buffer.baseAddress, buffer.count, message.rawValue, &request), "imrecv")
        return RequestHandle(rawValue: request)
    }
}

extension Status {
    init(_ status: cmpi_status) {
        self.init(
            source: status.source < 0 ? nil : Int(status.source),
            tag: Tag(rawValue: Int32(status.tag)), byteCount: Int(status.byte_count))
    }
}
