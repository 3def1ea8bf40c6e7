// What the ranks of a dataframe send each other: rows, headers of exchanges, short texts.

import Frames

extension FuzzTarget {
    static let frames: [FuzzTarget] = [
        FuzzTarget(name: "frame-rows", seeds: { rowSeeds }, mutations: 3000, run: rows),
        FuzzTarget(name: "frame-headers", seeds: { headerSeeds }) { bytes in
            _ = ReceivedMessage.acceptsHeaders(bytes)
        },
        FuzzTarget(name: "frame-numbers", seeds: { numberSeeds }) { bytes in
            for columns in numbered {
                guard let rows = ReceivedMessage.numberedRows(bytes, of: columns.map(\.type))
                else { continue }
                let frame = Frame(rows)
                do {
                    require(try frame.unique().table.rowCount <= rows.rowCount, "different rows")
                    require(try frame.rendered() != nil, "a table is drawn")
                } catch {
                    require(false, "\(error)")
                }
            }
        },
        FuzzTarget(name: "frame-texts", seeds: { [word(1) + word(2) + [97, 98], word(0)] }) {
            bytes in
            guard let texts = ReceivedMessage.texts(bytes) else { return }
            require(texts.count <= bytes.count, "\(texts.count) texts in \(bytes.count) bytes")
        },
    ]

    /// Rows that were believed can be used in every way without reading beyond them.
    @Sendable private static func rows(_ bytes: [UInt8]) {
        for table in samples {
            guard
                let rows = ReceivedMessage.rows(
                    bytes, of: table.schema, categories: Column(["a", "b", "c"]))
            else { continue }
            let names = ColumnNames(table.schema.names)
            let first = table.schema.names[0]
            do {
                let frame = Frame(rows)
                let different = try frame.unique().table.rowCount
                require(different <= rows.rowCount, "\(different) different rows")
                require(try frame.rendered() != nil, "a table is drawn")
                _ = try frame.groupBy(names).agg(len())
                _ = try frame.sort(by: SortKeys(stringLiteral: first))
                _ = try frame.join(frame.head(3), on: ColumnNames([first]))
                require(
                    ReceivedMessage.bytes(of: rows).count == bytes.count, "as long as it was")
            } catch {
                require(false, "\(error)")
            }
        }
    }

    private static var samples: [Table] {
        [
            ["a": [1, nil, 3], "b": Column(["x", nil, "a longer text"])],
            ["s": Column(["", "ä"]), "c": Column(categories: ["a", "c"])],
            ["f": Column([1.5, .nan]), "t": Column([true, nil])],
        ]
    }

    private static var numbered: [[Column]] {
        [
            [Column(["id01", "id9", nil]), Column([1, -5, nil])],
            [Column(["", "ä", "abc"]), Column([-1 << 40, 0, 1 << 62])],
            [Column([3, 1, 2]), Column(["x", "y", "z"])],
        ]
    }

    private static var numberSeeds: [[UInt8]] {
        numbered.map { columns in
            let bytes = ReceivedMessage.numbers(of: columns) ?? []
            let rows = ReceivedMessage.numberedRows(bytes, of: columns.map(\.type))
            require(rows?.rowCount == 3, "the seed is of three rows")
            return bytes
        }
    }

    private static var rowSeeds: [[UInt8]] { samples.map { ReceivedMessage.bytes(of: $0) } }

    private static var headerSeeds: [[UInt8]] {
        // Status, fingerprint, rows, blocks, rounds; then sizes of both sides of a join, flags,
        // ranges of keys, narrow fields, latency and bandwidth.
        let facts = [8000, 8000, 1000, 1000, 7, 5, 2000, 0, 500, 3]
        let costs = [1e-4, 4e8].map { Int(bitPattern: UInt($0.bitPattern)) }
        let header = ([0, 1, 10, 20, 0] + facts + costs).flatMap(word)
        require(ReceivedMessage.acceptsHeaders(header), "the seed is a header")
        return [header, header + header]
    }

    private static func word(_ value: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt64(bitPattern: Int64(value)).littleEndian) { Array($0) }
    }
}
