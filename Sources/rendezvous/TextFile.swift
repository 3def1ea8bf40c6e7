// A small file as text.

import Glibc

enum TextFile {
    /// nil if it cannot be read or holds more than `byteCountMax` bytes.
    static func read(_ path: String, byteCountMax: Int) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            if count == 0 { break }
            bytes += piece.prefix(count)
            if bytes.count > byteCountMax { return nil }
        }
        return ferror(file) == 0 ? String(decoding: bytes, as: UTF8.self) : nil
    }
}
