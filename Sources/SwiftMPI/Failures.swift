// From MPI's error codes to MPIError, and the end of a job that failed.

import CMPIShim
import Glibc
import MessagePassing

/// Throws if `code` is an error. A call whose deadline passed ends the job: MPI still owns the
/// buffers, and there is no way to take them back.
@inline(__always)
func check(
    _ code: Int32, _ operation: String, peer: Int? = nil, tag: Tag? = nil
) throws(MPIError) {
    if code != CMPI_SUCCESS { throw failure(code, operation, peer: peer, tag: tag) }
}

func failure(
    _ code: Int32, _ operation: String, peer: Int? = nil, tag: Tag? = nil,
    of status: cmpi_status? = nil
) -> MPIError {
    if code == CMPI_TIMED_OUT { endJob("\(timeoutError(operation, peer, tag))") }
    if code == CMPI_NO_MEMORY {
        return MPIError(.system, operation: operation, reason: "out of memory", underlying: ENOMEM)
    }
    if let status, cmpi_is_truncation(code) != 0 { return truncation(status) }
    var errorClass: Int32 = 0
    let text = shimText { cmpi_error(code, &errorClass, $0, $1) }
    return MPIError(
        .system, operation: operation, reason: text ?? "MPI failed without a reason",
        peer: peer.flatMap { $0 < 0 ? nil : $0 }, tag: tag.map { Int($0.rawValue) },
        underlying: errorClass)
}

/// A message that is longer than its buffer. Open MPI 4.1 reports it, but where its transport reads
/// or writes memory directly (always, beyond 1 KiB with headers to oneself, 4 KiB within a host) it has
/// written past the end of the buffer by then. A Swift program must not run on with memory that
/// is no longer its own, so such a job ends here.
private func truncation(_ status: cmpi_status) -> MPIError {
    var error = MPIError(
        .truncated, operation: "recv",
        reason: """
            the message of \(status.byte_count) bytes is longer than the receive buffer; probe \
            first or enlarge it
            """,
        peer: Int(status.source), tag: Int(status.tag), actualByteCount: Int(status.byte_count))
    if status.byte_count > 512 {
        error.reason += " (Open MPI may have written past its end, so the job cannot go on)"
        endJob("\(error)")
    }
    return error
}

private func timeoutError(_ operation: String, _ peer: Int?, _ tag: Tag?) -> MPIError {
    MPIError(
        .timedOut, operation: operation,
        reason: "not complete after SWIFTMPI_TIMEOUT seconds; are all ranks in this call?",
        peer: peer.flatMap { $0 < 0 ? nil : $0 }, tag: tag.map { Int($0.rawValue) })
}

/// A string that a function of the shim writes, unless it returns an error.
func shimText(_ fill: (UnsafeMutablePointer<CChar>, Int) -> Int32) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1024) { buffer in
        guard let start = buffer.baseAddress else { return nil }
        buffer.initialize(repeating: 0)
        return fill(start, buffer.count) == CMPI_SUCCESS ? String(cString: start) : nil
    }
}

/// Prints why, as one line, and ends every rank of the job with exit code 1.
func endJob(_ reason: String) -> Never {
    if case .success(let session) = MPILibrary.session {
        writeErrorLine("rank \(session.world.rank): \(reason)")
        cmpi_abort(session.world.handle, 1)
    }
    _exit(1)
}

func writeErrorLine(_ text: String) {
    var line = String(text.map { $0.isNewline ? " " : $0 }) + "\n"
    line.withUTF8 { bytes in
        var rest = UnsafeRawBufferPointer(bytes)
        while let start = rest.baseAddress, !rest.isEmpty {
            let written = write(STDERR_FILENO, start, rest.count)
            if written <= 0 { return }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }
}
