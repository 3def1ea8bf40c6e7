// Categories between ranks: codes travel, so all ranks first agree on one dictionary per column.

import MessagePassing

extension StepRun {
    /// The table with dictionaries that all ranks have in common.
    ///
    /// Collective, without messages where there is no category column. Cost: every rank receives
    /// every other rank's dictionaries, and looks each of its strings up once.
    func sharingCategories(_ table: Table) throws(FrameError) -> Table {
        guard table.schema.fields.contains(where: { $0.type == .category }) else { return table }
        var columns = table.columns
        for (index, column) in columns.enumerated() {
            guard let dictionary = column.dictionary else { continue }
            let own = Table(
                schema: try Schema([Field("values", .string)], operation: node.name),
                columns: [dictionary.values], rowCount: dictionary.values.count)
            let all = Kernels.concat(try gatherEverywhere(own)).columns[0].with(validity: nil)
            let common = CategoryDictionary(
                Kernels.gather(all, Kernels.uniqueRows(["values": all], keys: [0])))
            columns[index] = column.recoded(into: common)
        }
        return Table(schema: table.schema, columns: columns, rowCount: table.rowCount)
    }
}
