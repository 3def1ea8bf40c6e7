// Looking for literal text within text, `like` and literal replacement.
import Glibc

/// Where a literal text must be found.
enum SearchPlace: String, Sendable {
    case anywhere = "contains"
    case start = "startsWith"
    case end = "endsWith"
}

struct LiteralSearch: TextFunction {
    let place: SearchPlace
    let pattern: [UInt8]

    var text: String { "\(place.rawValue)(\"\(String(decoding: pattern, as: UTF8.self))\")" }
    var result: DataType { .bool }

    func evaluate(_ strings: Column) -> Column {
        pattern.withUnsafeBufferPointer { pattern in
            switch place {
            case .anywhere:
                TextLoop.test(strings) { BytesSearch.find(pattern, in: $0, from: 0) != nil }
            case .start:
                TextLoop.test(strings) { BytesSearch.isPrefix(pattern, of: $0, at: 0) }
            case .end:
                TextLoop.test(strings) {
                    BytesSearch.isPrefix(pattern, of: $0, at: $0.count - pattern.count)
                }
            }
        }
    }
}

struct LiteralReplacement: TextFunction {
    let old: [UInt8]
    let new: [UInt8]
    let isFirstOnly: Bool

    var text: String {
        "replace(\"\(String(decoding: old, as: UTF8.self))\", with: "
            + "\"\(String(decoding: new, as: UTF8.self))\"\(isFirstOnly ? ", first: true" : ""))"
    }
    var problem: String? { old.isEmpty ? "nothing to replace: the text is empty" : nil }
    var result: DataType { .string }

    func evaluate(_ strings: Column) -> Column {
        old.withUnsafeBufferPointer { old in
            new.withUnsafeBufferPointer { new in
                TextLoop.map(strings) { bytes, builder in
                    var (start, length) = (0, 0)
                    func part(_ part: UnsafeBufferPointer<UInt8>, _ builder: inout StringBuilder) {
                        builder.appendPart(utf8: part, after: length)
                        length += part.count
                    }
                    while let found = BytesSearch.find(old, in: bytes, from: start) {
                        part(UnsafeBufferPointer(rebasing: bytes[start..<found]), &builder)
                        part(new, &builder)
                        start = found + old.count
                        if isFirstOnly { break }
                    }
                    part(UnsafeBufferPointer(rebasing: bytes[start...]), &builder)
                    builder.finishValue(length)
                }
            }
        }
    }
}

/// SQL's LIKE: `%` is any text, `_` any one character, `\` takes the next one literally.
struct Like: TextFunction {
    let pattern: String
    private let tokens: [LikeToken]

    init(_ pattern: String) {
        self.pattern = pattern
        tokens = LikeToken.tokens(of: pattern)
    }

    var text: String { "like(\"\(pattern)\")" }
    var result: DataType { .bool }

    func evaluate(_ strings: Column) -> Column {
        // What most patterns are needs no matcher.
        let literals = tokens.compactMap { if case .bytes(let bytes) = $0 { bytes } else { nil } }
        let shape = tokens.map { $0 == .any || $0 == .one ? $0 : .bytes([]) }
        let place: SearchPlace? =
            switch shape {
            case [.bytes([]), .any]: .start
            case [.any, .bytes([])]: .end
            case [.any, .bytes([]), .any]: .anywhere
            default: nil
            }
        if let place {
            return LiteralSearch(place: place, pattern: literals[0]).evaluate(strings)
        }
        return TextLoop.test(strings) { LikeToken.match(tokens, $0) }
    }
}

/// A piece of a LIKE pattern.
enum LikeToken: Hashable, Sendable {
    case bytes([UInt8])
    case one
    case any

    static func tokens(of pattern: String) -> [LikeToken] {
        var tokens: [LikeToken] = []
        var literal: [UInt8] = []
        var isEscaped = false
        func flush() {
            if !literal.isEmpty { tokens.append(.bytes(literal)) }
            literal = []
        }
        for byte in pattern.utf8 {
            if !isEscaped && byte == UInt8(ascii: "\\") {
                isEscaped = true
                continue
            }
            if !isEscaped && (byte == UInt8(ascii: "%") || byte == UInt8(ascii: "_")) {
                flush()
                let token: LikeToken = byte == UInt8(ascii: "%") ? .any : .one
                if token == .one || tokens.last != .any { tokens.append(token) }
            } else {
                literal.append(byte)
            }
            isEscaped = false
        }
        flush()
        return tokens
    }

    /// Greedy, going back only to the last `%`: at most length × pattern steps.
    static func match(_ tokens: [LikeToken], _ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var (token, position) = (0, 0)
        var retry: (token: Int, position: Int)?
        while true {
            if token < tokens.count {
                switch tokens[token] {
                case .any:
                    retry = (token + 1, position)
                    token += 1
                    continue
                case .one:
                    if position < bytes.count {
                        position += UTF8Bytes.length(bytes[position])
                        token += 1
                        continue
                    }
                case .bytes(let literal):
                    let isHere = literal.withUnsafeBufferPointer {
                        BytesSearch.isPrefix($0, of: bytes, at: position)
                    }
                    if isHere {
                        position += literal.count
                        token += 1
                        continue
                    }
                }
            } else if position == bytes.count {
                return true
            }
            guard let last = retry, last.position < bytes.count else { return false }
            position = last.position + UTF8Bytes.length(bytes[last.position])
            token = last.token
            retry = (token, position)
        }
    }
}

enum BytesSearch {
    @inline(__always)
    static func find(
        _ pattern: UnsafeBufferPointer<UInt8>, in bytes: UnsafeBufferPointer<UInt8>, from start: Int
    ) -> Int? {
        guard let base = bytes.baseAddress, let needle = pattern.baseAddress, pattern.count > 0
        else { return pattern.isEmpty ? start : nil }
        var index = start
        while index + pattern.count <= bytes.count {
            let left = bytes.count - pattern.count - index + 1
            guard let found = memchr(base + index, Int32(needle[0]), left) else { return nil }
            index = UnsafeRawPointer(found) - UnsafeRawPointer(base)
            if memcmp(base + index, needle, pattern.count) == 0 { return index }
            index += 1
        }
        return nil
    }

    @inline(__always)
    static func isPrefix(
        _ pattern: UnsafeBufferPointer<UInt8>, of bytes: UnsafeBufferPointer<UInt8>, at start: Int
    ) -> Bool {
        if start < 0 || start + pattern.count > bytes.count { return false }
        guard let base = bytes.baseAddress, let needle = pattern.baseAddress else { return true }
        return memcmp(base + start, needle, pattern.count) == 0
    }
}
