// One row per distinct key over all ranks: duplicates are removed before rows move, and after.

import MessagePassing

extension StepRun {
    func unique(_ input: Rows, _ names: [String]) throws(FrameError) -> Rows {
        if size == 1 || input.partitioning.colocates(names) {
            return Rows(
                table: firstRows(input.table, names), partitioning: input.partitioning)
        }
        let keys = input.table.schema.indices(of: names)
        let keyTable = Table(
            schema: try Schema(keys.map { input.table.schema.fields[$0] }, operation: node.name),
            columns: keys.map { input.table.columns[$0] }, rowCount: input.table.rowCount)
        let isNearlyUnique = GroupEstimate(keyTable, keyCount: keys.count).isNearlyUnique
        let own = isNearlyUnique ? input.table : firstRows(input.table, names)
        // Pieces come in the order of ranks, so the first row of a key is the first of all.
        let pieces = try shuffle(own, by: names)
        return Rows(
            table: firstRows(Kernels.concat(pieces), names), partitioning: .hash(names))
    }

    private func firstRows(_ table: Table, _ names: [String]) -> Table {
        Kernels.unique(table, keys: table.schema.indices(of: names))
    }
}
