// Type inference as a union of bits: what has been seen in a column, in any order and on any rank.
// Because union is commutative and associative, all ranks agree on a column's type by one bitwise
// reduction, whatever part of the file each has read.

/// The kinds of values seen in a column; nulls leave no trace.
struct FieldKinds: OptionSet, Hashable {
    let rawValue: UInt8

    static let integer = FieldKinds(rawValue: 1)
    static let number = FieldKinds(rawValue: 2)
    static let bool = FieldKinds(rawValue: 4)
    static let date = FieldKinds(rawValue: 8)
    static let datetime = FieldKinds(rawValue: 16)
    static let string = FieldKinds(rawValue: 32)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The kind of one value that is no null. An integer too long for 64 bits is a number.
    init(_ text: UnsafeBufferPointer<UInt8>) {
        if parseInteger(text) != nil {
            self = .integer
        } else if parseDouble(text) != nil || parseSpecial(text) != nil {
            self = .number
        } else if parseBool(text) != nil {
            self = .bool
        } else if parseDate(text) != nil {
            self = .date
        } else {
            self = parseDateTime(text) != nil ? .datetime : .string
        }
    }

    /// The narrowest type that holds every kind seen; string where nothing else does, and where
    /// nothing was seen at all.
    var type: DataType {
        switch self {
        case .integer: .int64
        case .number, [.integer, .number]: .float64
        case .bool: .bool
        case .date: .date
        case .datetime, [.date, .datetime]: .datetime
        default: .string
        }
    }
}

/// pandas' spellings of true and false.
func parseBool(_ text: UnsafeBufferPointer<UInt8>) -> Bool? {
    func spells(_ word: StaticString) -> Bool {
        text.count == word.utf8CodeUnitCount
            && text.indices.allSatisfy { text[$0] == word.utf8Start[$0] }
    }
    if text.count == 4 { return spells("true") || spells("True") || spells("TRUE") ? true : nil }
    return spells("false") || spells("False") || spells("FALSE") ? false : nil
}
