// The two calls that users make for CSV files.
import MessagePassing

extension Frame {
    /// The rows of one CSV file, spread over the ranks in the order of the file.
    ///
    /// Collective. The file is cut into ranges of bytes, as many as there are ranks, and each rank
    /// reads its own; all must see the same file. Types are those that the values of the *whole*
    /// file allow, the same on all ranks: int64, float64, bool (`true`, `True`, `TRUE` …), date
    /// (`YYYY-MM-DD`), datetime (ISO 8601; a zone is converted to UTC), else string. Integers that
    /// do not fit in 64 bits make a column float64; a column without any value is string. Quotes,
    /// null spellings and blank lines count as in pandas; a record with too few or too many fields
    /// is an error. Text is taken as UTF-8 without a check.
    /// - Parameters:
    ///   - path: the file, on each rank.
    ///   - communicator: who reads it; alone (size 1) if none is given.
    ///   - options: delimiter, header, columns, types, null spellings.
    /// - Cost: one pass over a rank's range to find where records begin (none at size 1), one to
    ///   convert it, and another for columns whose type only turns out late in the file. Five small
    ///   exchanges. Memory: the columns and one block of 256 KiB.
    /// - Throws: `fileError`, `missingColumn`, `duplicateColumn`, `raggedRow`, `malformedValue` with
    ///   file, line and column: the first in the file, the same on all ranks.
    public static func readCSV(
        _ path: String, on communicator: any Communicator = SelfCommunicator.alone,
        _ options: CSVOptions = CSVOptions(), file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Frame {
        do throws(FrameError) {
            let table = try CSVReader(path, on: communicator, options).read()
            return Frame(table, on: communicator)
        } catch {
            throw error.called(from: Origin(file: file, line: line))
        }
    }

    /// Writes the rows of all ranks, in their order, as one CSV file.
    ///
    /// Collective; all ranks must see the same folder. RFC 4180: fields are quoted where they must
    /// be. Numbers are in the shortest form that reads back bit for bit, times in ISO 8601 with
    /// `Z`, nulls empty. The file is written under another name first, then renamed, so that no
    /// reader sees half of it; a file of that name is replaced.
    /// - Parameters:
    ///   - path: the file, on each rank.
    ///   - options: delimiter, header line, null spelling.
    /// - Cost: one pass; each rank but the first holds its part's text in memory. Five small
    ///   exchanges.
    /// - Throws: `fileError`, the same on all ranks; the temporary file is then removed.
    public func writeCSV(
        _ path: String, _ options: CSVWriteOptions = CSVWriteOptions(), file: String = #fileID,
        line: Int = #line
    ) throws(FrameError) {
        // Every rank holds all rows of a replicated frame: the first one writes them.
        let isCopy = partitioning == .replicated && communicator.rank > 0
        do throws(FrameError) {
            try CSVWriter(path, on: communicator, options)
                .write(isCopy ? table.slice(0..<0) : table)
        } catch {
            throw error.called(from: Origin(file: file, line: line))
        }
    }
}

extension FrameError {
    /// The same error with the place in the user's program.
    func called(from origin: Origin) -> FrameError {
        var error = self
        if error.location == nil { error.location = "\(origin)" }
        return error
    }
}
