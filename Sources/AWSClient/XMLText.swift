// The little of XML that AWS's answers are read with. No parser of documents: it looks for elements by
// name, in the order in which they stand.

/// Texts of elements without attributes.
enum XMLText {
    static func values(of element: String, in text: String) -> [String] {
        var found: [String] = []
        let open = Array("<\(element)>".utf8)
        let close = Array("</\(element)>".utf8)
        let bytes = Array(text.utf8)
        var position = 0
        while let start = firstIndex(of: open, in: bytes, from: position),
            let end = firstIndex(of: close, in: bytes, from: start + open.count)
        {
            found.append(unescaped(bytes[(start + open.count)..<end]))
            position = end + close.count
        }
        return found
    }

    private static func firstIndex(
        of pattern: [UInt8], in bytes: [UInt8], from start: Int
    ) -> Int? {
        guard bytes.count >= pattern.count else { return nil }
        var index = start
        while index <= bytes.count - pattern.count {
            if bytes[index] == pattern[0],
                bytes[index..<index + pattern.count].elementsEqual(pattern)
            {
                return index
            }
            index += 1
        }
        return nil
    }

    private static let entities = [
        "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "amp": "&",
    ]

    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> String {
        var text = Substring(decoding: bytes, as: UTF8.self)
        var result = ""
        while let start = text.firstIndex(of: "&") {
            result += text[..<start]
            text = text[start...]
            if let end = text.prefix(12).firstIndex(of: ";"),
                let character = character(text[text.index(after: text.startIndex)..<end])
            {
                result += character
                text = text[text.index(after: end)...]
            } else {
                result += "&"
                text = text.dropFirst()
            }
        }
        return result + text
    }

    /// What `amp`, `#39` or `#x27` stands for.
    private static func character(_ name: Substring) -> String? {
        guard name.hasPrefix("#") else { return entities[String(name)] }
        let digits = name.dropFirst()
        let code =
            digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
        return code.flatMap { Unicode.Scalar($0) }.map { String(Character($0)) }
    }
}
