// Keys as few numbers: one if they fit, as many as it takes if not.

/// Numbers for the rows of some columns; ranks that have the same number alike.
struct KeyNumbers {
    /// Of consecutive columns each.
    private let numberings: [KeyNumbering]

    /// Numbers per row.
    var count: Int { numberings.count }

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

    /// int64 columns without nulls.
    func encoded(_ columns: [Column]) -> [Column] {
        var rest = columns[...]
        return numberings.map { numbering in
            defer { rest = rest.dropFirst(numbering.parts.count) }
            return KeyEncoder(Array(rest.prefix(numbering.parts.count)), by: numbering).column()
        }
    }

    /// The columns whose rows have these numbers.
    func decoded(_ numbers: [Column], types: [DataType]) -> [Column] {
        var rest = types[...]
        return zip(numberings, numbers).flatMap { numbering, numbers in
            defer { rest = rest.dropFirst(numbering.parts.count) }
            let types = Array(rest.prefix(numbering.parts.count))
            return KeyDecoder.columns(numbers, numbering, types: types)
        }
    }
}
