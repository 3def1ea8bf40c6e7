// Keys as few numbers: one if they fit, as many as it takes if not.

/// Numbers for the rows of some columns; ranks that have the same number alike.
public struct KeyNumbers: Sendable, Hashable {
    /// Of consecutive columns each.
    private let numberings: [KeyNumbering]

    /// Numbers per row.
    var count: Int { numberings.count }

    /// One number.
    init(_ numbering: KeyNumbering) { numberings = [numbering] }

    /// Nil if some column's values alone are too many.
    init?(_ profiles: [KeyProfile]) {
        var numberings = [KeyNumbering()]
        for profile in profiles where !numberings[numberings.count - 1].append(profile) {
            var next = KeyNumbering()
            guard next.append(profile) else { return nil }
            numberings.append(next)
        }
        self.numberings = numberings
    }

    /// Calls `body` with each numbering and the part of `elements`, one per column, that it is about.
    private func map<Element, Result>(
        _ elements: [Element], _ body: (KeyNumbering, [Element]) -> Result
    ) -> [Result] {
        var rest = elements[...]
        return numberings.map { numbering in
            defer { rest = rest.dropFirst(numbering.parts.count) }
            return body(numbering, Array(rest.prefix(numbering.parts.count)))
        }
    }

    /// int64 columns without nulls.
    func encoded(_ columns: [Column]) -> [Column] {
        map(columns) { KeyEncoder($1, by: $0).column() }
    }

    /// The columns whose rows have these numbers.
    func decoded(_ numbers: [Column], types: [DataType]) -> [Column] {
        var next = 0
        return map(types) { numbering, types in
            defer { next += 1 }
            return KeyDecoder(numbering, types: types).columns(numbers[next])
        }.flatMap(\.self)
    }

    /// Which rows have numbers, all their values being such as were numbered; nil if all have.
    func contains(_ columns: [Column], rowCount: Int) -> Bitmap? {
        map(columns) { $0.contains($1, rowCount: rowCount) }.reduce(nil) { whole, part in
            guard let whole, let part else { return whole ?? part }
            return whole.and(part)
        }
    }
}
