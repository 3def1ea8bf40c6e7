// Inputs made on the spot: each rank generates its rows of one global table, which is the same at
// every number of ranks. Benchmarks/generated.py makes the same tables for the peers.
import Frames
import MessagePassing
import Records

/// Makes columns of frame number `frame` for this rank's share of the rows.
struct GeneratedFrame {
    let seed: UInt64
    let frame: UInt64
    /// Global numbers of this rank's rows: equal shares, in rank order.
    let rows: Range<Int>

    init(_ options: WorkloadOptions, frame: UInt64, on world: any Communicator) {
        seed = options.seed
        self.frame = frame
        let total = options.totalRows(ranks: world.size)
        rows = Partition(evenly: total, parts: world.size)[world.rank]
    }

    /// Whole numbers in 0 ..< bound.
    func integers(_ column: UInt64, below bound: Int) -> Column {
        CounterGenerator(seed: seed, frame: frame, column: column)
            .uniform(below: Int64(max(1, bound)), rows: rows)
    }

    /// Fractions in 0 ..< 1.
    func fractions(_ column: UInt64) -> Column {
        CounterGenerator(seed: seed, frame: frame, column: column).unit(rows: rows)
    }

    /// `prefix` and a number in 1 ... bound.
    func text(_ column: UInt64, prefix: String, digits: Int, below bound: Int) -> Column {
        CounterGenerator(seed: seed, frame: frame, column: column)
            .text(prefix: prefix, digits: digits, below: Int64(max(1, bound)), rows: rows)
    }

    /// Whole numbers in 0 ..< 2^bits, small ones frequent.
    func skewed(_ column: UInt64, bits: Int) -> Column {
        CounterGenerator(seed: seed, frame: frame, column: column).skewed(bits: bits, rows: rows)
    }

    /// `values` with one in ten null; which ones, `column` decides.
    func withNulls(_ column: UInt64, _ values: Column) -> Column {
        CounterGenerator(seed: seed, frame: frame, column: column)
            .withNulls(values, percent: 10, rows: rows)
    }
}

extension WorkloadResult {
    /// Rows and checksum of a frame, with one-cell tables of float sums. Collective.
    init(_ frame: Frame, tables: [ResultTable] = []) throws {
        self.init(rows: try frame.count(), checksum: try frame.rowChecksum(), tables: tables)
    }
}

/// A table that holds one number.
func singleCell(_ name: String, _ cell: Cell) -> ResultTable {
    ResultTable(name: name, columns: [name], rows: [[cell]])
}
