// One CSV file written by all ranks, each its own part, in the order of ranks. The file appears
// under its name only when it is complete.
import Glibc
import MessagePassing

/// The steps of `Frame.writeCSV`.
struct CSVWriter {
    let path: String
    let communicator: any Communicator
    let options: CSVWriteOptions
    let format: CSVFormat

    /// Bytes formatted before they are written, where the place in the file is known.
    private static let blockSize = 1 << 20

    init(
        _ path: String, on communicator: any Communicator, _ options: CSVWriteOptions
    ) throws(FrameError) {
        self.path = path
        self.communicator = communicator
        self.options = options
        format = try CSVFormat(options)
    }

    /// Writes this rank's rows. Collective.
    func write(_ table: Table) throws(FrameError) {
        let (descriptor, partial) = try openEverywhere()
        defer { close(descriptor) }
        // Rank 0's part begins at 0, so it need not be held in memory.
        var text = TextBuffer(capacity: CSVWriter.blockSize * 2)
        var written = 0
        var failure: Int32 = 0
        if communicator.rank == 0 && options.hasHeader {
            format.appendHeader(table.schema, to: &text)
        }
        var row = 0
        while row < table.rowCount {
            let end = min(row + 1024, table.rowCount)
            format.append(table, rows: row..<end, to: &text)
            row = end
            if communicator.rank == 0, failure == 0, text.count >= CSVWriter.blockSize {
                failure = writeAll(text.bytes, to: descriptor, at: written)
                written += text.count
                text.removeAll()
            }
        }
        let length = written + text.count
        let offset = try exchanging { () throws(MPIError) in
            try communicator.exscan(length, .sum) ?? 0
        }
        if failure == 0 { failure = writeAll(text.bytes, to: descriptor, at: offset + written) }
        try finish(partial, failure)
    }

    /// Creates the file under a temporary name on rank 0, then opens it on all.
    private func openEverywhere() throws(FrameError) -> (descriptor: Int32, partial: String) {
        let suffix = try exchanging { () throws(MPIError) in
            try communicator.bcast(Int(getpid()), root: 0)
        }
        let partial = "\(path).partial-\(suffix)"
        var descriptor: Int32 = -1
        var failure: Int32 = 0
        if communicator.rank == 0 {
            descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
            failure = descriptor < 0 ? errno : 0
        }
        let created = failure
        let first = try exchanging { () throws(MPIError) in
            try communicator.bcast(created, root: 0)
        }
        if first != 0 { throw error(first, "cannot be created", rank: 0) }
        if communicator.rank != 0 {
            descriptor = open(partial, O_WRONLY | O_CLOEXEC)
            failure = descriptor < 0 ? errno : 0
        }
        do throws(FrameError) {
            try agree(failure, "cannot be opened")
        } catch {
            if descriptor >= 0 { close(descriptor) }
            if communicator.rank == 0 { unlink(partial) }
            throw error
        }
        return (descriptor, partial)
    }

    /// Gives the file its name if all ranks have written their part, else removes it.
    private func finish(_ partial: String, _ failure: Int32) throws(FrameError) {
        do throws(FrameError) {
            try agree(failure, "cannot be written")
        } catch {
            if communicator.rank == 0 { unlink(partial) }
            throw error
        }
        var renamed: Int32 = 0
        if communicator.rank == 0, rename(partial, path) != 0 {
            renamed = errno
            unlink(partial)
        }
        let result = renamed
        let agreed = try exchanging { () throws(MPIError) in
            try communicator.bcast(result, root: 0)
        }
        if agreed != 0 { throw error(agreed, "cannot be renamed into place", rank: 0) }
    }

    /// Throws the lowest rank's failure, an errno, on all ranks.
    private func agree(_ failure: Int32, _ what: String) throws(FrameError) {
        let all = try exchanging { () throws(MPIError) in try communicator.allgather(failure) }
        if let rank = all.firstIndex(where: { $0 != 0 }) {
            throw error(all[rank], what, rank: rank)
        }
    }

    private func error(_ code: Int32, _ what: String, rank: Int) -> FrameError {
        let whose = communicator.size > 1 ? " on rank \(rank)" : ""
        return FrameError(
            .fileError, operation: "writeCSV",
            reason: "\(what)\(whose): \(String(cString: strerror(code)))", path: path)
    }

    private func exchanging<Result>(
        _ body: () throws(MPIError) -> Result
    ) throws(FrameError) -> Result {
        do throws(MPIError) {
            return try body()
        } catch {
            throw FrameError(error, during: "writeCSV")
        }
    }
}

/// Writes all bytes, in as many calls as it takes; errno if that fails, else 0.
private func writeAll(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int
) -> Int32 {
    guard let base = bytes.baseAddress else { return 0 }
    var done = 0
    while done < bytes.count {
        let count = pwrite(descriptor, base + done, bytes.count - done, off_t(offset + done))
        if count > 0 {
            done += count
        } else if count == 0 || errno != EINTR {
            return count == 0 ? EIO : errno
        }
    }
    return 0
}
