// What all ranks know before they read a CSV file: that each can open it, and what its header says.
import Glibc
import MessagePassing

/// What the beginning of the file says; the same on all ranks.
struct CSVHeader {
    var names: [String]
    /// File offset of the first line of data.
    var dataStart: Int
}

extension CSVReader {
    private struct OpenResult: BitwiseCopyable, Equatable {
        var error: Int
        var byteCount: Int
    }

    func openEverywhere() throws(FrameError) -> InputFile {
        var file: InputFile?
        var mine = OpenResult(error: 0, byteCount: 0)
        do throws(ReadFault) {
            let opened = try InputFile(path)
            mine.byteCount = opened.byteCount
            file = opened
        } catch {
            if case .system(let code) = error.kind { mine.error = Int(code) }
        }
        let opened = mine
        let all = try exchanging { () throws(MPIError) in try communicator.allgather(opened) }
        if let rank = all.firstIndex(where: { $0.error != 0 }) {
            let whose =
                communicator.size > 1 ? "cannot be opened on rank \(rank)" : "cannot be opened"
            throw CSVFault(fileError: Int32(all[rank].error), whose).error(path, line: nil)
        }
        if let rank = all.firstIndex(where: { $0 != all[0] }) {
            throw FrameError(
                .fileError, operation: "readCSV",
                reason: "it has \(all[0].byteCount) bytes on rank 0 and \(all[rank].byteCount) on "
                    + "rank \(rank); every rank must see the same file", path: path)
        }
        guard let file else { preconditionFailure("an open file where no rank failed") }
        return file
    }

    /// Read by rank 0, as long as it may be, and told to all.
    func readHeader(_ file: InputFile) throws(FrameError) -> CSVHeader {
        var message = SmallMessage()
        if communicator.rank == 0 {
            do throws(ReadFault) {
                let result = try parseHeader(file)
                message.put(result.fault == nil ? 0 : 1)
                message.put(result.header.dataStart)
                message.put(result.header.names.count)
                for name in result.header.names { message.put(name) }
                if let fault = result.fault {
                    message = SmallMessage()
                    message.put(1)
                    message.put(try lineNumber(of: fault, file))
                    message.append(fault.message)
                }
            } catch {
                message = SmallMessage()
                message.put(1)
                message.put(1)
                message.append(CSVFault(error, columns: [], types: [:]).message)
            }
        }
        let sent = message.bytes
        var received = SmallMessage(
            try exchanging { () throws(MPIError) in try communicator.bcast(array: sent, root: 0) })
        if received.takeInt() == 1 {
            let line = received.takeInt()
            throw CSVFault(received).error(path, line: line)
        }
        let dataStart = received.takeInt()
        let names = (0..<received.takeCount()).map { _ in received.takeText() }
        if received.isMalformed || dataStart < 0 || names.isEmpty {
            throw FrameError(
                .malformedMessage, operation: "readCSV", reason: "rank 0 sent no header",
                path: path)
        }
        return CSVHeader(names: names, dataStart: dataStart)
    }

    private func lineNumber(of fault: CSVFault, _ file: InputFile) throws(ReadFault) -> Int {
        try 1 + file.lineEnds(in: 0..<(fault.offset ?? 0))
    }

    private func parseHeader(
        _ file: InputFile
    ) throws(ReadFault) -> (header: CSVHeader, fault: CSVFault?) {
        let bodyStart = try startAfterByteOrderMark(file)
        var header = CSVHeader(names: [], dataStart: bodyStart)
        var lineStart = bodyStart
        var records = RecordReader(
            file, delimiter: rules.delimiter, width: nil, blockSize: options.blockSize)
        defer { records.deallocate() }
        let end = try records.forEachBlock(of: bodyStart..<file.byteCount, maxRecords: 1) {
            (block, indexer, start) throws(ReadFault) in
            header.names = texts(ofFirstRecordIn: block, indexer)
            lineStart = start + (indexer.fields.first.map { $0.start } ?? 0)
        }
        if header.names.isEmpty {
            return (header, CSVFault(.fileError, "the file is empty: no header and no record"))
        }
        guard options.hasHeader else {
            header.names = header.names.indices.map { "column_\($0 + 1)" }
            return (header, nil)
        }
        header.dataStart = end
        for index in header.names.indices where header.names[index].isEmpty {
            header.names[index] = "Unnamed: \(index)"
        }
        var seen: Set<String> = []
        for name in header.names where !seen.insert(name).inserted {
            let fault = CSVFault(
                .duplicateColumn,
                "the header has that name twice; rename one, or read with "
                    + "hasHeader: false", column: name, offset: lineStart)
            return (header, fault)
        }
        return (header, nil)
    }

    private func startAfterByteOrderMark(_ file: InputFile) throws(ReadFault) -> Int {
        var isMarked = false
        try file.forEachBlock(of: 0..<min(3, file.byteCount), blockSize: 3) { bytes in
            isMarked = bytes.elementsEqual([0xEF, 0xBB, 0xBF])
            return true
        }
        return isMarked ? 3 : 0
    }

    private func texts(
        ofFirstRecordIn block: UnsafeBufferPointer<UInt8>, _ indexer: RecordIndexer
    ) -> [String] {
        var scratch: [UInt8] = []
        return indexer.fields[0..<(indexer.width ?? 0)].map { span in
            let text = UnsafeBufferPointer(rebasing: block[span.start..<span.end])
            if !span.needsUnquoting { return String(decoding: text, as: UTF8.self) }
            unquote(text, delimiter: rules.delimiter, into: &scratch)
            return String(decoding: scratch, as: UTF8.self)
        }
    }

    /// Positions in the file of the columns wanted; all names given must exist.
    func chooseColumns(_ header: CSVHeader) throws(FrameError) -> [Int] {
        for name in options.types.keys.sorted() { _ = try position(of: name, header) }
        guard let wanted = options.columns else { return Array(header.names.indices) }
        var chosen: [Int] = []
        for name in wanted { chosen.append(try position(of: name, header)) }
        return chosen
    }

    private func position(of name: String, _ header: CSVHeader) throws(FrameError) -> Int {
        if let index = header.names.firstIndex(of: name) { return index }
        let known = header.names.prefix(12).joined(separator: ", ")
        throw FrameError(
            .missingColumn, operation: "readCSV",
            reason: "the file has no such column; it has: \(known)"
                + (header.names.count > 12 ? ", …" : ""), column: name, path: path)
    }
}
