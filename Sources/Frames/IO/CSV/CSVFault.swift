// Errors in CSV files, agreed on by all ranks: the first in the file wins, and its line number is
// the sum of the line ends that each rank counts in its own range. Nothing is counted unless there
// is an error.
import Glibc
import MessagePassing

/// A reading error in the words of `FrameError`, before its line is known.
struct CSVFault {
    var code: FrameError.Code
    var reason: String
    var column: String?
    /// File offset of the record or value; nil if the file as a whole is at fault.
    var offset: Int?

    init(
        _ code: FrameError.Code, _ reason: String, column: String? = nil, offset: Int? = nil
    ) {
        self.code = code
        self.reason = reason
        self.column = column
        self.offset = offset
    }

    init(_ fault: ReadFault, columns: [String], types: [String: DataType]) {
        switch fault.kind {
        case .record(.ragged(let found)):
            let reason =
                "the record has \(found) field\(found == 1 ? "" : "s") where \(columns.count) are "
                + "expected; a delimiter or line break inside a field needs quotes around it"
            self.init(.raggedRow, reason, offset: fault.offset)
        case .record(.unterminatedQuote):
            self.init(
                .malformedValue, "the quoted field that begins here is never closed",
                offset: fault.offset)
        case .value(let index, let text):
            let type = types[columns[index]].map { "\($0)" } ?? "value"
            self.init(
                .malformedValue,
                "\"\(text)\" is no \(type); correct it or give the column another type",
                column: columns[index], offset: fault.offset)
        case .recordTooLong:
            self.init(
                .raggedRow, "the record is longer than 2 GiB; is a quote missing?",
                offset: fault.offset)
        case .system(let error):
            self.init(fileError: error, "cannot be read")
        }
    }

    init(fileError error: Int32, _ what: String) {
        self.init(.fileError, "\(what): \(String(cString: strerror(error)))")
    }

    var message: SmallMessage {
        var message = SmallMessage()
        message.put(code.name)
        message.put(reason)
        message.put(column == nil ? 0 : 1)
        message.put(column ?? "")
        message.put(offset ?? -1)
        return message
    }

    init(_ message: SmallMessage) {
        var message = message
        code = FrameError.Code(message.takeText())
        reason = message.takeText()
        let hasColumn = message.takeInt() == 1
        let name = message.takeText()
        column = hasColumn ? name : nil
        let place = message.takeInt()
        offset = place < 0 ? nil : place
    }

    func error(_ path: String, line: Int?) -> FrameError {
        FrameError(
            code, operation: "readCSV", reason: reason, column: column, path: path, line: line)
    }
}

extension InputFile {
    /// Line ends in a range: LF, CR LF or CR, each counted where its first byte is.
    func lineEnds(in range: Range<Int>) throws(ReadFault) -> Int {
        var wasReturn = false
        if range.lowerBound > 0, !range.isEmpty {
            try forEachBlock(of: range.lowerBound - 1..<range.lowerBound, blockSize: 1) { bytes in
                wasReturn = bytes.first == carriageReturn
                return true
            }
        }
        var count = 0
        try forEachBlock(of: range, blockSize: 256 * 1024) { bytes in
            for byte in bytes {
                if byte == carriageReturn || (byte == lineFeed && !wasReturn) { count += 1 }
                wasReturn = byte == carriageReturn
            }
            return true
        }
        return count
    }
}
