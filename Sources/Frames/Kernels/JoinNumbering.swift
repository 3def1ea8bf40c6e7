// A join's columns as int64s, which rows carry through partitions and between ranks: several keys, or
// a string, are one number; strings beside them are numbers of their own, and narrow types are
// widened. What the join yields is turned back, row by row in order, while columns that stay as they
// are have to be gathered at random.

/// What the columns of a join have to become for its rows to be numbers alone. By types, hence the same
/// on all ranks.
struct JoinNumbering {
    /// A column that is not a key.
    struct Payload {
        let index: Int
        let type: DataType
        /// Is there room for it in a row?
        let isCarried: Bool

        var isNumber: Bool { type.fixedWidth == 8 }
        /// A number already, or gathered by row in the end?
        var staysAsIs: Bool { isNumber || !isCarried || type == .category }
        var isText: Bool { type == .string && isCarried }
    }

    let keyTypes: [DataType]
    let leftKeys: [Int]
    let rightKeys: [Int]
    let left: [Payload]
    let right: [Payload]

    /// Must the key, or the keys together, be numbered? Of one that is an integer it is enough to be
    /// widened.
    var numbersKeys: Bool { keyTypes.count > 1 || keyTypes[0] == .string }

    /// Nil if there is nothing to be gained, or some key's type has no numbers.
    /// - Parameters:
    ///   - rightColumns: of the right side, those wanted, without keys.
    ///   - nullable: columns that hold nulls, which rows do not carry.
    init?(
        left: Schema, right: Schema, leftKeys: [Int], rightKeys: [Int], rightColumns: [Int],
        nullable: (left: Set<Int>, right: Set<Int>) = ([], [])
    ) {
        func payloads(_ schema: Schema, _ indices: [Int], _ nullable: Set<Int>) -> [Payload] {
            indices.enumerated().map { position, index in
                Payload(
                    index: index, type: schema.fields[index].type,
                    isCarried: position < Kernels.carriedLimit && !nullable.contains(index))
            }
        }
        keyTypes = leftKeys.map { left.fields[$0].type }
        guard keyTypes == rightKeys.map({ right.fields[$0].type }),
            keyTypes.allSatisfy({ !$0.isFloat && $0 != .category })
        else { return nil }
        self.leftKeys = leftKeys
        self.rightKeys = rightKeys
        self.left = payloads(
            left, left.fields.indices.filter { !leftKeys.contains($0) }, nullable.left)
        self.right = payloads(right, rightColumns, nullable.right)
        let keyIsNumber = keyTypes.count == 1 && keyTypes[0].fixedWidth == 8
        if keyIsNumber && (self.left + self.right).allSatisfy(\.staysAsIs) { return nil }
    }

    /// Can all columns of both sides be carried between ranks?
    var canBeCarried: Bool {
        1 + left.count < CarriedSide.fieldLimit && right.count < CarriedSide.fieldLimit
            && (left + right).allSatisfy { $0.isCarried && $0.type != .category }
    }

    /// Bytes of all rows as numbers.
    func byteCount(_ left: Table, _ right: Table) -> Int {
        8 * (left.rowCount * (1 + self.left.count) + right.rowCount * (1 + self.right.count))
    }

    /// Has a wanted column a bitmap of what is null?
    func hasNulls(_ left: Table, _ right: Table) -> Bool {
        left.columns.contains { $0.validity != nil }
            || (rightKeys + self.right.map(\.index)).contains {
                right.columns[$0].validity != nil
            }
    }

    /// Types of the columns that `profiles` is about: int64 or string.
    var profiledTypes: [DataType] {
        let keys = numbersKeys ? keyTypes.map { $0 == .string ? DataType.string : .int64 } : []
        return keys + (left + right).filter(\.isText).map { _ in .string }
    }

    /// Of the keys of both sides together, if `numbersKeys`; then of each string beside them, nil if
    /// that cannot be a number. Nil if the keys cannot.
    func profiles(_ left: [Table], _ right: [Table]) -> [KeyProfile?]? {
        let keys = zip(leftKeys, rightKeys).map { leftKey, rightKey in
            left.map { $0.columns[leftKey] } + right.map { $0.columns[rightKey] }
        }
        // Null keys match nothing, but a left join keeps what stands beside them.
        guard keys.joined().allSatisfy({ $0.validity == nil }) else { return nil }
        var profiles: [KeyProfile?] = []
        for columns in keys where numbersKeys {
            guard let profile = Self.profile(columns) else { return nil }
            profiles.append(profile)
        }
        for (payloads, tables) in [(self.left, left), (self.right, right)] {
            for payload in payloads where payload.isText {
                profiles.append(Self.profile(tables.map { $0.columns[payload.index] }))
            }
        }
        return profiles
    }

    private static func profile(_ columns: [Column]) -> KeyProfile? {
        var whole = KeyProfile(ofNoRows: columns[0].type == .string ? .string : .int64)
        for column in columns {
            guard column.validity == nil, let profile = KeyProfile(KeyEncoder.digits(column)) else {
                return nil
            }
            whole.add(profile)
        }
        return whole
    }
}

/// A join whose numbers are known: the way to them and back.
struct NumberedJoin {
    /// How one column that is not a key travels.
    private enum Form {
        case asIs
        case widened(DataType)
        case text(KeyNumbering)
    }

    private let numbering: JoinNumbering
    /// Nil if the key need not be numbered.
    private let keys: KeyNumbering?
    private let left: [Form]
    private let right: [Form]

    /// Nil if the keys' numbers would not fit.
    /// - Parameter profiles: as `JoinNumbering.profiles` gives them, of all ranks.
    init?(_ numbering: JoinNumbering, _ profiles: [KeyProfile?]) {
        self.numbering = numbering
        var rest = profiles[...]
        if !numbering.numbersKeys {
            keys = nil
        } else {
            let own = rest.prefix(numbering.keyTypes.count).compactMap(\.self)
            guard let keys = KeyNumbering(own) else { return nil }
            self.keys = keys
            rest = rest.dropFirst(own.count)
        }
        func form(_ payload: JoinNumbering.Payload) -> Form {
            if payload.staysAsIs { return .asIs }
            guard payload.type == .string else { return .widened(payload.type) }
            guard let profile = rest.popFirst() ?? nil else { return .asIs }
            return KeyNumbering([profile]).map { .text($0) } ?? .asIs
        }
        left = numbering.left.map(form)
        right = numbering.right.map(form)
    }

    /// Where rows are by their key, said of the keys they had before.
    func placement(_ placement: Placement) -> Placement {
        guard let keys else { return placement }
        let positions = Array(numbering.leftKeys.indices)
        return switch placement {
        case .blocks(_, let blocks): .numbers(positions, keys, blocks)
        case .hash, .numbers: .numbers(positions, keys, nil)
        }
    }

    /// Do rows of both sides consist of 8-byte values now?
    var isComplete: Bool {
        zip(left + right, numbering.left + numbering.right).allSatisfy { form, payload in
            if case .asIs = form { payload.isNumber } else { true }
        }
    }

    /// The key, then the other columns of the left side.
    func leftRows(_ table: Table) -> Table {
        rows(table, numbering.leftKeys, zip(numbering.left, left))
    }

    /// The key, then the wanted columns of the right side.
    func rightRows(_ table: Table) -> Table {
        rows(table, numbering.rightKeys, zip(numbering.right, right))
    }

    private func rows(
        _ table: Table, _ keys: [Int], _ payloads: some Sequence<(JoinNumbering.Payload, Form)>
    ) -> Table {
        let keyColumns = keys.map { table.columns[$0] }
        var columns = [
            self.keys.map { KeyEncoder(keyColumns, by: $0).column() }
                ?? Kernels.plainCodes(keyColumns[0])
        ]
        for (payload, form) in payloads {
            let column = table.columns[payload.index]
            switch form {
            case .asIs: columns.append(column)
            case .widened: columns.append(Kernels.widened(column.bitsAsIntegers))
            case .text(let numbers): columns.append(KeyEncoder([column], by: numbers).column())
            }
        }
        let fields = columns.enumerated().map { Field("\($0)", $1.type) }
        return Table(
            schema: Schema(ofDistinct: fields), columns: columns, rowCount: table.rowCount)
    }

    /// All columns of the left side in their order, then the wanted ones of the right.
    /// - Parameter joined: of the numbers: the key, the left columns, the right ones.
    func columns(from joined: [Column]) -> [Column] {
        let keyColumns =
            keys.map { KeyDecoder.columns(joined[0], $0, types: numbering.keyTypes) }
            ?? [Kernels.narrowed(joined[0], to: numbering.keyTypes[0])]
        var leftColumns: [Int: Column] = [:]
        for (index, column) in zip(numbering.leftKeys, keyColumns) {
            leftColumns[index] = column
        }
        let payloads = zip(zip(numbering.left, left), joined.dropFirst())
        for ((payload, form), column) in payloads {
            leftColumns[payload.index] = Self.column(column, form)
        }
        let rightColumns = zip(right, joined.dropFirst(1 + left.count)).map {
            Self.column($1, $0)
        }
        return leftColumns.sorted { $0.key < $1.key }.map(\.value) + rightColumns
    }

    private static func column(_ numbers: Column, _ form: Form) -> Column {
        switch form {
        case .asIs: numbers
        case .widened(let type):
            type == .float32
                ? Kernels.narrowed(numbers, to: .int32).reinterpreted(as: .float32)
                : Kernels.narrowed(numbers, to: type)
        case .text(let numbering):
            KeyDecoder.columns(numbers, numbering, types: [.string])[0]
        }
    }
}

extension Column {
    /// A float32's bits as int32, others as they are.
    fileprivate var bitsAsIntegers: Column {
        type == .float32 ? reinterpreted(as: .int32) : self
    }
}
