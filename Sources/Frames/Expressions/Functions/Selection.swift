// One of two values per row, without a branch per row: what `when` is made of.

enum Selection {
    /// `yes` where the bit is set, else `no`; both of one type, of fixed width or bool.
    static func select(
        _ condition: Bitmap, _ yes: Operand, _ no: Operand, count: Int
    ) -> Column {
        defer { withExtendedLifetime((yes, no, condition)) {} }
        let validity = validity(condition, yes, no, count)
        @inline(__always)
        func values<Element: FixedWidthInteger & BitwiseCopyable>(
            _ type: Element.Type
        ) -> Column {
            let (yesValues, noValues): (Values<Element>, Values<Element>) = (
                yes.rawValues(), no.rawValues()
            )
            let buffer = Buffer(byteCount: count * MemoryLayout<Element>.stride)
            let output = buffer.elements(as: Element.self)
            Evaluation.map(yesValues, noValues, count) { row, yes, no in
                let bit = unsafeBitCast(condition[row], to: UInt8.self)
                let mask = 0 &- Element(truncatingIfNeeded: bit)
                output[row] = yes & mask | no & ~mask
            }
            return Column(type: yes.type, count: count, values: buffer, validity: validity)
        }
        switch yes.type.layout {
        case .bytes8: return values(UInt64.self)
        case .bytes4: return values(UInt32.self)
        case .bytes2: return values(UInt16.self)
        case .bytes1: return values(UInt8.self)
        case .bits:
            let (yes, no) = (yes.column(count: count).bits, no.column(count: count).bits)
            return Evaluation.bool(
                condition.and(yes).or(condition.not().and(no)), validity)
        case .strings: preconditionFailure("strings are gathered")
        }
    }

    private static func validity(
        _ condition: Bitmap, _ yes: Operand, _ no: Operand, _ count: Int
    ) -> Bitmap? {
        if yes.validity == nil && no.validity == nil { return nil }
        let fromYes = yes.validity.map { condition.and($0) } ?? condition
        let fromNo = no.validity.map { condition.not().and($0) } ?? condition.not()
        return fromYes.or(fromNo)
    }
}

extension Operand {
    /// Values as integers of their width, whatever they mean.
    fileprivate func rawValues<Element: BitwiseCopyable>() -> Values<Element> { values() }
}
