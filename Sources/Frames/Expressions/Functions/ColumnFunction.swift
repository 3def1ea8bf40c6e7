// Functions of expressions: what one needs to be checked, printed and evaluated. Each family is a
// file of its own beside this one; operators, casts and dates' parts have nodes of their own.

/// A function over columns, all of whose operands are expressions.
protocol ColumnFunction: Sendable {
    /// As it is written behind its first operand: `contains("x")`. Ranks compare it, so it has all
    /// arguments.
    var text: String { get }
    /// What makes no sense about its arguments, whatever the operands.
    var problem: String? { get }
    /// Nil if it is not defined for these operands.
    func type(of operands: [OperandType]) -> DataType?
    /// The column of `count` rows; operands have the types that passed the check.
    func evaluate(_ operands: [Operand], count: Int) throws(FrameError) -> Column
    /// Can it throw? Then ranks agree on the outcome.
    var canFail: Bool { get }
    /// Must it see all rows at once?
    var needsWholeColumns: Bool { get }
}

extension ColumnFunction {
    var problem: String? { nil }
    var canFail: Bool { false }
    var needsWholeColumns: Bool { false }
}

extension Expression {
    /// A function of this expression and others.
    func applying(_ function: any ColumnFunction, _ others: Expression...) -> Expression {
        Expression(.function(function, [node] + others.map(\.node)))
    }
}

/// A function of one text. Of a category it is computed once per different string.
protocol TextFunction: ColumnFunction {
    var result: DataType { get }
    func evaluate(_ strings: Column) throws(FrameError) -> Column
}

extension TextFunction {
    func type(of operands: [OperandType]) -> DataType? {
        operands.allSatisfy { $0.type.isText } ? result : nil
    }

    func evaluate(_ operands: [Operand], count: Int) throws(FrameError) -> Column {
        let column = operands[0].column(count: count)
        guard let dictionary = column.dictionary, dictionary.values.count < count else {
            return try evaluate(column.decoded())
        }
        let byCode = try evaluate(dictionary.values)
        return Kernels.gather(byCode, column.codeRows)
    }
}

extension Column {
    /// Rows of a category's dictionary, −1 for null.
    var codeRows: RowIndices {
        let buffer = Buffer(byteCount: count * 8)
        let rows = buffer.elements(as: Int.self)
        let codes = pointer(as: UInt32.self)
        for row in 0..<count { rows[row] = isNull(at: row) ? -1 : Int(codes[row]) }
        withExtendedLifetime(self) {}
        return RowIndices(buffer: buffer, count: count)
    }
}

/// Loops over strings: what a text function computes of each.
enum TextLoop {
    /// True or false of each.
    @inline(__always)
    static func test(
        _ column: Column, _ condition: (UnsafeBufferPointer<UInt8>) -> Bool
    ) -> Column {
        let bits = Bitmap(count: column.count) { condition(column.utf8(at: $0)) }
        withExtendedLifetime(column) {}
        return Evaluation.bool(bits, column.validity)
    }

    /// An int64 of each.
    @inline(__always)
    static func measure(
        _ column: Column, _ number: (UnsafeBufferPointer<UInt8>) -> Int
    ) -> Column {
        let buffer = Buffer(byteCount: column.count * 8)
        let output = buffer.elements(as: Int.self)
        for row in 0..<column.count { output[row] = number(column.utf8(at: row)) }
        withExtendedLifetime(column) {}
        return Column(type: .int64, count: column.count, values: buffer, validity: column.validity)
    }

    /// A string of each; `body` appends one value, by `append` or `appendNull`.
    @inline(__always)
    static func map(
        _ column: Column, _ body: (UnsafeBufferPointer<UInt8>, inout StringBuilder) -> Void
    ) -> Column {
        var builder = StringBuilder(
            capacity: column.count,
            byteCapacity: Int(column.stringOffsets[column.count] - column.stringOffsets[0]))
        for row in 0..<column.count {
            if column.isNull(at: row) {
                builder.appendNull()
            } else {
                body(column.utf8(at: row), &builder)
            }
        }
        withExtendedLifetime(column) {}
        return builder.finish()
    }
}
