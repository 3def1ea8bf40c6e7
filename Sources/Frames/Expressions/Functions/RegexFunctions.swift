// Regular expressions over text.

struct RegexSearch: TextFunction {
    let pattern: RegexPattern
    var text: String { "matches(\"\(pattern.text)\")" }
    var problem: String? { pattern.problem }
    var result: DataType { .bool }

    func evaluate(_ strings: Column) -> Column {
        pattern.withMatcher { matcher in TextLoop.test(strings) { matcher.match($0) > 0 } }
    }
}

struct RegexExtraction: TextFunction {
    let pattern: RegexPattern
    let group: Int
    var text: String { "extract(\"\(pattern.text)\", group: \(group))" }
    var problem: String? { pattern.problem ?? (group < 0 ? "group \(group) of a match" : nil) }
    var result: DataType { .string }

    func evaluate(_ strings: Column) -> Column {
        pattern.withMatcher { matcher in
            TextLoop.map(strings) { bytes, builder in
                let count = matcher.match(bytes)
                if let range = matcher.range(ofGroup: group, of: count) {
                    builder.append(utf8: UnsafeBufferPointer(rebasing: bytes[range]))
                } else {
                    builder.appendNull()
                }
            }
        }
    }
}

struct RegexReplacement: TextFunction {
    let pattern: RegexPattern
    let replacement: [UInt8]
    let isFirstOnly: Bool

    var text: String {
        "replaceMatches(\"\(pattern.text)\", with: \"\(String(decoding: replacement, as: UTF8.self))\""
            + "\(isFirstOnly ? ", first: true" : ""))"
    }
    var result: DataType { .string }

    /// Tried on no text, a wrong replacement shows only if something matches; groups that do not
    /// exist show always.
    var problem: String? {
        pattern.problem
    }
    /// A group in the replacement that the pattern has not.
    var canFail: Bool { true }

    func evaluate(_ strings: Column) throws(FrameError) -> Column {
        var failure: Int32 = 0
        let column = replacement.withUnsafeBufferPointer { replacement in
            pattern.withMatcher { matcher in
                TextLoop.map(strings) { bytes, builder in
                    let status = matcher.substitute(
                        bytes, replacement, isGlobal: !isFirstOnly
                    ) { builder.append(utf8: $0) }
                    if status < 0 {
                        failure = status
                        builder.appendNull()
                    }
                }
            }
        }
        if failure < 0 {
            let reason = PCRE2.library?.message(failure) ?? "\(failure)"
            throw FrameError(
                .invalidArgument, operation: "replaceMatches",
                reason: "the replacement \"\(String(decoding: replacement, as: UTF8.self))\" of "
                    + "\"\(pattern.text)\" cannot be made: \(reason)")
        }
        return column
    }
}
