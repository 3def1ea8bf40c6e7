// The texts of one column in one block of CSV records, and the loops over them: one per type, with
// the conversion inlined, because a call per field would cost as much as the conversion.

/// The rules of one file that conversion needs.
struct TextRules {
    let nulls: NullSpellings
    let quotedNulls: Bool
    let delimiter: UInt8

    @inline(__always)
    func isNull(_ text: UnsafeBufferPointer<UInt8>, _ span: FieldSpan) -> Bool {
        nulls.contains(text) && (quotedNulls || !span.isQuoted)
    }
}

/// One column of a block.
struct ColumnTexts {
    let block: UnsafeBufferPointer<UInt8>
    /// This column's field in the first record.
    let fields: UnsafePointer<FieldSpan>
    /// Fields per record.
    let width: Int
    /// Records.
    let count: Int
    let rules: TextRules

    /// Calls `body` with the text of a field, quotes taken out.
    @inline(__always)
    private func withText<Result>(
        _ span: FieldSpan, _ scratch: inout [UInt8],
        _ body: (UnsafeBufferPointer<UInt8>) -> Result
    ) -> Result {
        let text = UnsafeBufferPointer(
            start: block.baseAddress.map { $0 + span.start }, count: span.end &- span.start)
        if !span.needsUnquoting { return body(text) }
        unquote(text, delimiter: rules.delimiter, into: &scratch)
        return scratch.withUnsafeBufferPointer(body)
    }

    /// The union of the kinds of all values; nulls have none.
    func kinds() -> FieldKinds {
        var kinds: FieldKinds = []
        var scratch: [UInt8] = []
        for row in 0..<count where !kinds.contains(.string) {
            let span = fields[row &* width]
            let kind = withText(span, &scratch) {
                rules.isNull($0, span) ? [] : FieldKinds($0)
            }
            kinds.formUnion(kind)
        }
        return kinds
    }

    /// Converts every text and returns the first row where that fails, or nil. `parse` comes
    /// before the search for nulls, as nearly all values are none; `parseRest` after it, for
    /// values that look like nulls (nan).
    @inline(__always)
    func convert<Value>(
        _ parse: (UnsafeBufferPointer<UInt8>) -> Value?,
        rest parseRest: (UnsafeBufferPointer<UInt8>) -> Value? = { _ in nil },
        _ append: (Value) -> Void, null appendNull: () -> Void
    ) -> Int? {
        var scratch: [UInt8] = []
        let isNullFirst = rules.nulls.hasValues
        for row in 0..<count {
            let span = fields[row &* width]
            let isDone = withText(span, &scratch) { text in
                if !isNullFirst, let value = parse(text) {
                    append(value)
                    return true
                }
                if rules.isNull(text, span) {
                    appendNull()
                    return true
                }
                if let value = parse(text) ?? parseRest(text) {
                    append(value)
                    return true
                }
                return false
            }
            if !isDone { return row }
        }
        return nil
    }

    /// Converts to strings, which cannot fail.
    func copy(into builder: inout StringBuilder) {
        var scratch: [UInt8] = []
        for row in 0..<count {
            let span = fields[row &* width]
            withText(span, &scratch) { text in
                if rules.isNull(text, span) {
                    builder.appendNull()
                } else {
                    builder.append(utf8: text)
                }
            }
        }
    }
}
