// Are two frames the same table? Both are spread alike first, then each rank compares its rows.

import MessagePassing

extension Frame {
    /// Have both the same columns (names, types, order) and the same rows in the same order? Null
    /// equals null, NaN equals NaN, −0 equals 0. How rows are spread over ranks does not matter.
    ///
    /// Collective, the answer is the same on all ranks. Cost: as two `rebalance`s, and an allreduce
    /// of 8 bytes.
    /// - Throws: `communication`.
    public func equals(
        _ other: Frame, file: String = #fileID, line: Int = #line
    ) throws(FrameError) -> Bool {
        guard schema == other.schema else { return false }
        let isAlone = communicator.size == 1
        let left = isAlone ? self : try rebalance(file: file, line: line)
        let right = isAlone ? other : try other.rebalance(file: file, line: line)
        let areEqual = left.table.equals(right.table)
        if isAlone { return areEqual }
        do {
            return try communicator.allreduce(Int64(areEqual ? 0 : 1), .sum) == 0
        } catch {
            throw FrameError(error, during: "equals").called(from: Origin(file: file, line: line))
        }
    }
}

extension Table {
    /// The same rows in the same order; the schemas are equal. Local.
    func equals(_ other: Table) -> Bool {
        rowCount == other.rowCount && zip(columns, other.columns).allSatisfy { $0.equals($1) }
    }
}

extension Column {
    fileprivate func equals(_ other: Column) -> Bool {
        guard count == other.count, nullCount == other.nullCount else { return false }
        let codes = Kernels.singleKeyCodes([self, other])
        let (left, right) = (codes[0].pointer(as: Int64.self), codes[1].pointer(as: Int64.self))
        defer { withExtendedLifetime(codes) {} }
        return (0..<count).allSatisfy { row in
            let (isNull, isOtherNull) = (isNull(at: row), other.isNull(at: row))
            return isNull == isOtherNull && (isNull || left[row] == right[row])
        }
    }
}
