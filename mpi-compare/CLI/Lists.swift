// Comma-separated options, and the file of --json: what several commands read and write.
@preconcurrency import Glibc
import CompactJSON
import Lab
import Records
import Workloads

/// The parts of a comma-separated option.
func split(_ list: String, _ name: String) throws -> [String] {
    let parts = list.split(separator: ",").map { $0.filter { $0 != " " } }
    if parts.isEmpty { throw UsageError("--\(name) is empty") }
    return parts
}

func unique<Element: Hashable>(_ elements: [Element]) -> [Element] {
    var seen: Set<Element> = []
    return elements.filter { seen.insert($0).inserted }
}

/// The numbers of ranks in a comma-separated option.
func rankCounts(_ list: String) throws -> [Int] {
    let counts = try split(list, "ranks").map { text in
        guard let count = Int(text), count >= 1 else {
            throw UsageError("--ranks \(text): give whole numbers of at least 1, as in 1,2,4")
        }
        return count
    }
    return unique(counts).sorted()
}

func natKinds(_ list: String) throws -> [NATKind] {
    try split(list, "nat").map { name in
        guard let kind = NATKind(rawValue: name) else {
            throw UsageError("--nat \(name): choose from \(NATKind.names)")
        }
        return kind
    }
}

/// The file of `--json`, opened before anything runs so that a wrong path is known at once.
struct JSONLinesFile {
    private let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        if descriptor < 0 {
            throw UsageError("--json \(path): \(String(cString: strerror(errno)))")
        }
    }

    func write(_ values: [JSONValue]) throws {
        let text = values.map { "\($0)\n" }.joined()
        if !writeAll(Array(text.utf8), to: descriptor) {
            throw UsageError("--json \(path): \(String(cString: strerror(errno)))")
        }
        close(descriptor)
    }
}

/// The text of a file of at most 1 MiB; nil if it cannot be read.
func textOfFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    var length = 0
    while length < bytes.count {
        let count = bytes.withUnsafeMutableBytes {
            read(descriptor, $0.baseAddress.map { $0 + length }, $0.count - length)
        }
        guard count >= 0 else { return nil }
        if count == 0 { break }
        length += count
    }
    return String(decoding: bytes.prefix(length), as: UTF8.self)
}
