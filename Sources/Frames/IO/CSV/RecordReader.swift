// Reads a range of a CSV file block by block and hands over the records that begin in it. Each rank
// has one on the same file; a record that runs over the end of a rank's range is read by the rank
// where it begins, however long it is.

import Glibc

/// Why reading stopped, at a place in the file.
struct ReadFault: Error, Equatable {
    enum Kind: Equatable {
        case record(RecordFault.Kind)
        /// A value that is not of its column's given type.
        case value(column: Int, text: String)
        /// errno
        case system(Int32)
        case recordTooLong
    }
    var kind: Kind
    /// Where in the file the record or value begins.
    var offset: Int
}

/// An open file, closed with its last reference.
final class InputFile {
    let descriptor: Int32
    let byteCount: Int

    /// - Throws: errno.
    init(_ path: String) throws(ReadFault) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 { throw ReadFault(kind: .system(errno), offset: 0) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw ReadFault(kind: .system(code), offset: 0)
        }
        byteCount = Int(status.st_size)
        if status.st_mode & S_IFMT == S_IFDIR {
            close(descriptor)
            throw ReadFault(kind: .system(EISDIR), offset: 0)
        }
    }

    deinit { close(descriptor) }

    /// Fills `target` from `offset` on; fewer bytes only at the end of the file.
    func read(
        into target: UnsafeMutableRawBufferPointer, from offset: Int
    ) throws(ReadFault) -> Int {
        guard let base = target.baseAddress else { return 0 }
        var done = 0
        while done < target.count {
            let count = pread(descriptor, base + done, target.count - done, off_t(offset + done))
            if count == 0 { break }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                throw ReadFault(kind: .system(errno), offset: offset + done)
            }
        }
        return done
    }

    /// Calls `body` with the bytes of `range` in pieces; stops early when it returns false.
    func forEachBlock(
        of range: Range<Int>, blockSize: Int, _ body: (UnsafeRawBufferPointer) -> Bool
    ) throws(ReadFault) {
        let block = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(blockSize, max(range.count, 1)), alignment: 64)
        defer { block.deallocate() }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let wanted = min(block.count, range.upperBound - offset)
            let part = UnsafeMutableRawBufferPointer(rebasing: block[..<wanted])
            let count = try read(into: part, from: offset)
            if count == 0 { return }
            if !body(UnsafeRawBufferPointer(rebasing: part[..<count])) { return }
            offset += count
        }
    }
}

/// The records of one range.
struct RecordReader {
    let file: InputFile
    let blockSize: Int
    var indexer: RecordIndexer

    init(_ file: InputFile, delimiter: UInt8, width: Int?, blockSize: Int) {
        self.file = file
        self.blockSize = blockSize
        indexer = RecordIndexer(delimiter: delimiter, width: width)
    }

    func deallocate() { indexer.deallocate() }

    /// Calls `body` with each block and the index of its records, for all records that begin in
    /// `range`, whose start must be the start of a line. Returns where the line after the last
    /// record begins.
    mutating func forEachBlock(
        of range: Range<Int>, maxRecords: Int = .max,
        _ body: (UnsafeBufferPointer<UInt8>, RecordIndexer, Int) throws(ReadFault) -> Void
    ) throws(ReadFault) -> Int {
        var buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: blockSize + 8)
        defer { buffer.deallocate() }
        /// File offset of the buffer's first byte, and the bytes that are in it.
        var start = range.lowerBound
        var filled = 0
        var wanted = maxRecords
        while start < range.upperBound, wanted > 0 {
            let free = UnsafeMutableRawBufferPointer(
                rebasing: UnsafeMutableRawBufferPointer(buffer)[filled..<buffer.count - 8])
            filled += try file.read(into: free, from: start + filled)
            let isLast = filled < buffer.count - 8 || start + filled >= file.byteCount
            let block = UnsafeBufferPointer(rebasing: buffer[..<filled])
            indexer.index(
                block, limit: range.upperBound - start, isLast: isLast, maxRecords: wanted)
            if indexer.recordCount > 0 {
                wanted -= indexer.recordCount
                try body(block, indexer, start)
            }
            if let fault = indexer.fault {
                throw ReadFault(kind: .record(fault.kind), offset: start + fault.offset)
            }
            let consumed = indexer.consumed
            if isLast { return start + consumed }
            if consumed > 0 {
                if let base = buffer.baseAddress {
                    memmove(base, base + consumed, filled - consumed)
                }
                start += consumed
                filled -= consumed
            } else {
                buffer = try RecordReader.enlarge(buffer, filled: filled, at: start)
            }
        }
        return start
    }

    /// A record is longer than the buffer: twice as much room.
    private static func enlarge(
        _ buffer: UnsafeMutableBufferPointer<UInt8>, filled: Int, at offset: Int
    ) throws(ReadFault) -> UnsafeMutableBufferPointer<UInt8> {
        let size = (buffer.count - 8) * 2
        if size >= Int(FieldSpan.flag) { throw ReadFault(kind: .recordTooLong, offset: offset) }
        let larger = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: size + 8)
        _ = larger.update(fromContentsOf: buffer[..<filled])
        buffer.deallocate()
        return larger
    }
}
