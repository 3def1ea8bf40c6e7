// Which records of a CSV file are which rank's. Ranges are cut at any byte, also inside quotes or
// in the middle of a CR LF; a rank's records are those that *begin* in its range.
import MessagePassing

extension CSVReader {
    /// The bytes whose records are this rank's: those that begin in them.
    func share(of byteCount: Int, from dataStart: Int) -> Range<Int> {
        let rank = communicator.rank
        let size = communicator.size
        let limits =
            options.boundaries
            ?? (1..<size).map { byteCount / size * $0 + byteCount % size * $0 / size }
        let lower = rank == 0 ? 0 : limits[rank - 1]
        let upper = rank == size - 1 ? byteCount : limits[rank]
        return max(lower, dataStart)..<max(upper, dataStart)
    }

    /// The part of `share` from its first record on; empty if none begins there. One pass over the
    /// share at the speed of memory, to know what it does to each quote state; none at size 1.
    func records(
        of file: InputFile, in share: Range<Int>
    ) throws(FrameError) -> Result<Range<Int>, ReadFault> {
        var effect = QuoteStates.identity
        var fault: ReadFault?
        if communicator.size > 1 {
            do throws(ReadFault) {
                try file.forEachBlock(of: share, blockSize: options.blockSize) { bytes in
                    effect.append(bytes, delimiter: rules.delimiter)
                    return true
                }
            } catch {
                fault = error
            }
        }
        let mine = effect.packed
        let effects = try exchanging { () throws(MPIError) in try communicator.allgather(mine) }
        if let fault { return .failure(fault) }
        var state = QuoteState.recordStart
        for rank in 0..<communicator.rank { state = QuoteStates(packed: effects[rank])[state] }
        do throws(ReadFault) {
            let start = try lineStart(file, in: share, state)
            return .success((start ?? share.upperBound)..<share.upperBound)
        } catch {
            return .failure(error)
        }
    }

    /// The first byte of `range` that begins a line, given the state before its first byte.
    private func lineStart(
        _ file: InputFile, in range: Range<Int>, _ initial: QuoteState
    ) throws(ReadFault) -> Int? {
        if initial == .recordStart { return range.isEmpty ? nil : range.lowerBound }
        var state = initial
        var found: Int?
        var position = range.lowerBound
        try file.forEachBlock(of: range, blockSize: min(options.blockSize, 64 * 1024)) { bytes in
            for byte in bytes {
                if state == .recordStart || (state == .afterCarriageReturn && byte != lineFeed) {
                    found = position
                    return false
                }
                state = state.after(byte, delimiter: rules.delimiter)
                position += 1
            }
            return true
        }
        return found
    }
}
