// Functions that the program brings along.

/// A closure over a whole column of a rank.
struct UserFunction: ColumnFunction {
    let result: DataType
    let body: @Sendable (Column) throws -> Column

    var text: String { "map(returning: \(result))" }
    var canFail: Bool { true }
    var needsWholeColumns: Bool { true }

    func type(of operands: [OperandType]) -> DataType? { result }

    func evaluate(_ operands: [Operand], count: Int) throws(FrameError) -> Column {
        let column: Column
        do {
            column = try body(operands[0].column(count: count))
        } catch let error as FrameError {
            throw error
        } catch {
            throw failure("the closure of map threw \(error)")
        }
        guard column.type == result else {
            throw failure(
                "the closure of map returned \(column.type), not the \(result) it promised")
        }
        guard column.count == count else {
            throw failure("the closure of map returned \(column.count) values for \(count) rows")
        }
        return column
    }

    private func failure(_ reason: String) -> FrameError {
        FrameError(.invalidArgument, operation: "map", reason: reason)
    }
}

extension Expression {
    /// Whatever `body` makes of this rank's rows of the column, as a column of as many values.
    ///
    /// Every rank calls it once, with its own rows, none included. It must not communicate. Costs
    /// its verb one exchange of 136 bytes per pair of ranks, as `body` may fail on some.
    /// - Throws: the verb it is part of throws `invalidArgument`, on all ranks, if `body` throws or
    ///   returns another type or number of values.
    public func map(
        returning type: DataType, _ body: @escaping @Sendable (Column) throws -> Column
    ) -> Expression {
        applying(UserFunction(result: type, body: body))
    }
}
