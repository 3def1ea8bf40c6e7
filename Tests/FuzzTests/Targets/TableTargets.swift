// Files of tables and the texts in them.

import Frames
import Glibc
import MessagePassing

extension FuzzTarget {
    static let tables: [FuzzTarget] = [
        FuzzTarget(
            name: "csv",
            seeds: {
                [
                    "x,y\n1,2\n\"a,\"\"b\",\n", "a;b\n1;2.5\n", "x\r\n\r\n\"\n",
                    "d\n2013-01-01\nNA\n",
                ].map { Array($0.utf8) }
            }, mutations: 600, run: csv),
        FuzzTarget(
            name: "numbers",
            seeds: {
                ["1e308", "-0.1", "18446744073709551616", "2013-02-30"].map { Array($0.utf8) }
            }
        ) { bytes in
            bytes.withUnsafeBufferPointer { text in
                if let number = parseInteger(text) {
                    require(parseDouble(text) == Double(number), "\(bytes) is two numbers")
                }
                if let number = parseDouble(text) {
                    let copy = String(decoding: bytes, as: UTF8.self)
                    require(number == strtod(copy, nil), "\(copy) is not \(number)")
                }
                _ = parseSpecial(text)
                _ = parseDate(text)
            }
        },
    ]

    /// A file, read as a user reads it.
    @Sendable private static func csv(_ bytes: [UInt8]) {
        var template = Array("/tmp/fuzz-csv-XXXXXX".utf8CString)
        let file = mkstemp(&template)
        guard file >= 0 else { return }
        let path = String(
            decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unlink(path) }
        _ = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        close(file)
        guard let frame = try? Frame.readCSV(path) else { return }
        require(frame.table.rowCount <= bytes.count, "\(frame.table.rowCount) rows")
    }
}
