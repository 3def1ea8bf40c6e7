// Names and types of a table's columns.

/// One column's name and type.
public struct Field: Sendable, Hashable {
    public var name: String
    public var type: DataType
    public init(_ name: String, _ type: DataType) {
        self.name = name
        self.type = type
    }
}

/// The columns of a table, in order; names are unique.
public struct Schema: Sendable, Hashable {
    public let fields: [Field]

    /// - Throws: `duplicateColumn`.
    public init(_ fields: [Field], operation: String = "schema") throws(FrameError) {
        var seen: Set<String> = []
        for field in fields where !seen.insert(field.name).inserted {
            throw FrameError(
                .duplicateColumn, operation: operation,
                reason: "two columns have that name; rename one", column: field.name)
        }
        self.fields = fields
    }

    /// For operators, whose names differ by construction.
    init(ofDistinct fields: [Field]) { self.fields = fields }

    public var names: [String] { fields.map(\.name) }
    public var count: Int { fields.count }

    public func index(of name: String) -> Int? { fields.firstIndex { $0.name == name } }

    /// Position of a column that must exist.
    /// - Throws: `missingColumn`, naming those there are.
    public func requireIndex(
        of name: String, operation: String, location: String? = nil
    ) throws(FrameError) -> Int {
        if let index = index(of: name) { return index }
        let known = names.prefix(12).joined(separator: ", ") + (count > 12 ? ", …" : "")
        throw FrameError(
            .missingColumn, operation: operation,
            reason: "there is no such column; there are: \(known)", column: name,
            location: location)
    }
}

extension Schema: CustomStringConvertible {
    public var description: String {
        fields.map { "\($0.name): \($0.type)" }.joined(separator: ", ")
    }
}
