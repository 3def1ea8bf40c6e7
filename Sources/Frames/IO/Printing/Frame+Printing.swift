// Frames on the terminal: the first and the last rows of all ranks together, printed by one.
import Glibc
import MessagePassing

extension Frame {
    /// Prints the frame on rank 0: its size, names and types, and its first and last rows.
    ///
    /// Collective. Shows as many columns as fit on the terminal (100 characters where there is
    /// none).
    /// - Parameter rows: how many rows at most.
    /// - Cost: two small exchanges; only the texts of the rows shown travel.
    public func show(
        rows: Int = 10, file: String = #fileID, line: Int = #line
    ) throws(FrameError) {
        let text = try rendered(rows: rows, width: terminalWidth(), file: file, line: line)
        guard let text else { return }
        print(text, terminator: "")
        fflush(nil)
    }

    /// What `show` prints, on rank 0; nil on the others. Collective; cost as `show`.
    /// - Parameters:
    ///   - rows: how many rows at most.
    ///   - width: how many characters wide at most, as far as one column fits.
    public func rendered(
        rows: Int = 10, width: Int = 100, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> String? {
        if partitioning == .replicated || communicator.size == 1 {
            if communicator.rank > 0 { return nil }
            return TableText(table, limit: rows).drawn(width: width)
        }
        do throws(MPIError) {
            return try gatherText(limit: rows)?.drawn(width: width)
        } catch {
            throw FrameError(error, during: "show").called(from: Origin(file: file, line: line))
        }
    }

    /// The cells to show, on rank 0.
    private func gatherText(limit: Int) throws(MPIError) -> TableText? {
        let counts = try communicator.allgather(table.rowCount)
        if let liar = counts.firstIndex(where: { !(0...ExchangeLimits.claimLimit).contains($0) }) {
            throw Self.refusal(of: liar, "\(counts[liar]) rows")
        }
        let total = counts.reduce(0, +)
        let (headCount, tailCount) = TableText.split(total, limit: limit)
        let start = counts[..<communicator.rank].reduce(0, +)
        let head = 0..<Swift.max(0, Swift.min(headCount - start, table.rowCount))
        let tail =
            Swift.max(0, Swift.min(total - tailCount - start, table.rowCount))..<table.rowCount
        var message = SmallMessage()
        for rows in [head, tail] {
            message.put(rows.count)
            for row in TableText.cells(table, rows) {
                for cell in row { message.put(cell) }
            }
        }
        let parts = try communicator.gatherv(message.bytes.span, root: 0)
        if communicator.rank > 0 { return nil }
        var text = TableText(schema, head: [], tail: [], rowCount: total)
        for rank in 0..<parts.parts {
            var part = SmallMessage(Array(parts[rank]))
            text.head += takeRows(&part)
            text.tail += takeRows(&part)
            if part.isMalformed { throw Self.refusal(of: rank, "texts that are cut off") }
        }
        return text
    }

    private static func refusal(of rank: Int, _ what: String) -> MPIError {
        MPIError(.system, operation: "show", reason: "it sent \(what)", peer: rank)
    }

    private func takeRows(_ message: inout SmallMessage) -> [[String]] {
        (0..<message.takeCount()).map { _ in
            schema.fields.map { _ in message.takeText() }
        }
    }
}

/// Characters per line of the terminal that standard output goes to; 100 where it is none.
private func terminalWidth() -> Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 100 }
    return Int(size.ws_col)
}
