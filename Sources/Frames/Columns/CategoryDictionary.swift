// What the codes of category columns stand for. Codes mean something only beside their dictionary,
// so columns that meet (concat, joins, exchanges) are first given one in common.

/// The different strings of a category column, numbered from 0; none is null, none repeats.
final class CategoryDictionary: Sendable {
    let values: Column

    init(_ values: Column) {
        assert(values.type == .string && values.validity == nil, "a dictionary of other values")
        self.values = values
    }

    static let empty = CategoryDictionary(StringBuilder().finish())

    /// Per code its place in the order of the strings' bytes.
    func ranks() -> Buffer {
        let all = Buffer(byteCount: values.count * 8)
        for row in 0..<values.count { all.elements(as: Int.self)[row] = row }
        let order = Kernels.argsortStrings(
            values, RowIndices(buffer: all, count: values.count), descending: false)
        let ranks = Buffer(byteCount: values.count * 4)
        for (rank, code) in order.array.enumerated() {
            ranks.elements(as: UInt32.self)[code] = UInt32(truncatingIfNeeded: rank)
        }
        return ranks
    }

    /// Per code the hash of its string.
    func hashes() -> Buffer {
        let hashes = Buffer(byteCount: values.count * 8)
        Kernels.hashEach(values) { hashes.elements(as: UInt64.self)[$0] = $1 }
        return hashes
    }
}

extension Column {
    /// A string column as category: one hash look-up per value.
    func encoded() -> Column {
        precondition(type == .string, "only strings are encoded")
        defer { withExtendedLifetime(self) {} }
        var numbers = StringDictionary()
        let codes = Buffer(byteCount: count * 4)
        var firsts: [Int] = []
        for row in 0..<count {
            var number = 0
            if !isNull(at: row) {
                number = numbers.number(of: utf8(at: row))
                if number == firsts.count { firsts.append(row) }
            }
            codes.elements(as: UInt32.self)[row] = UInt32(truncatingIfNeeded: number)
        }
        let values = Kernels.gather(with(validity: nil), RowIndices(firsts))
        return Column(
            type: .category, count: count, values: codes, validity: validity,
            dictionary: CategoryDictionary(values))
    }

    /// A category column as strings: one gather. Others as they are.
    func decoded() -> Column {
        guard let dictionary else { return self }
        let rows = Buffer(byteCount: count * 8)
        let codes = pointer(as: UInt32.self)
        for row in 0..<count {
            rows.elements(as: Int.self)[row] = isNull(at: row) ? -1 : Int(codes[row])
        }
        withExtendedLifetime(self) {}
        return Kernels.gather(dictionary.values, RowIndices(buffer: rows, count: count))
            .with(validity: validity)
    }

    /// The same categories with codes of a dictionary that has all of its strings.
    private func recoded(_ newCodes: [UInt32], _ dictionary: CategoryDictionary) -> Column {
        let values = Buffer(byteCount: count * 4)
        let codes = pointer(as: UInt32.self)
        newCodes.withUnsafeBufferPointer { newCodes in
            for row in 0..<count {
                values.elements(as: UInt32.self)[row] =
                    isNull(at: row) ? 0 : newCodes[Int(codes[row])]
            }
        }
        withExtendedLifetime(self) {}
        return Column(
            type: .category, count: count, values: values, validity: validity,
            dictionary: dictionary)
    }

    /// The same categories with codes into `dictionary`, which has all of their strings.
    func recoded(into dictionary: CategoryDictionary) -> Column {
        guard let own = self.dictionary, own !== dictionary else { return self }
        var numbers = StringDictionary()
        for row in 0..<dictionary.values.count {
            _ = numbers.number(of: dictionary.values.utf8(at: row))
        }
        let newCodes = (0..<own.values.count).map { code in
            UInt32(truncatingIfNeeded: numbers.number(of: own.values.utf8(at: code)))
        }
        withExtendedLifetime((own, dictionary)) {}
        return recoded(newCodes, dictionary)
    }

    /// Category columns with one dictionary for all; others as they are.
    static func unified(_ chunks: [Column]) -> [Column] {
        guard let first = chunks[0].dictionary,
            chunks.contains(where: { $0.dictionary !== first })
        else { return chunks }
        let all = Kernels.concat(chunks.compactMap { $0.dictionary?.values })
        let common = CategoryDictionary(
            Kernels.gather(all, Kernels.uniqueRows(["values": all], keys: [0])))
        return chunks.map { $0.recoded(into: common) }
    }
}
