// A door for tests of what is read from other ranks: bytes in, rows or a refusal out, without ranks.

package enum ReceivedMessage {
    /// The rows of a message, with the number of rows that its own first word says; nil if it is
    /// refused. Categories are codes of `categories`.
    package static func rows(
        _ bytes: [UInt8], of schema: Schema, categories: Column
    ) -> Table? {
        let buffer = Buffer(copying: bytes)
        let rowCount = bytes.count < 8 ? 0 : buffer.elements(as: Int.self)[0]
        var header = ExchangeHeader(fingerprint: 0)
        header.rowCount = rowCount
        if header.fault != nil { return nil }
        do throws(MessageFault) {
            return try MessageLayout.table(
                in: buffer, at: 0, byteCount: bytes.count, rowCount: rowCount, schema: schema,
                dictionaries: schema.fields.map {
                    $0.type == .category ? CategoryDictionary(categories) : nil
                }, from: 0)
        } catch {
            return nil
        }
    }

    /// The message that carries a table's rows.
    package static func bytes(of table: Table) -> [UInt8] {
        let packing = RangePacking(table, ranges: [0..<table.rowCount])
        let message = Buffer(zeroedByteCount: packing.layouts[0].byteCount)
        packing.write(to: [message.pointer], leavingOut: nil)
        defer { withExtendedLifetime(message) {} }
        return Array(UnsafeRawBufferPointer(start: message.pointer, count: message.byteCount))
    }

    /// Bytes of the header that opens an exchange.
    package static var headerByteCount: Int { MemoryLayout<ExchangeHeader>.stride }

    /// Whether ranks that say this are believed, as headers of an exchange and as what they tell
    /// each other before a join; what follows from the latter is computed.
    package static func acceptsHeaders(_ bytes: [UInt8]) -> Bool {
        let count = bytes.count / headerByteCount
        let headers = bytes.withUnsafeBytes { bytes in
            (0..<count).map {
                bytes.loadUnaligned(
                    fromByteOffset: $0 * headerByteCount, as: ExchangeHeader.self)
            }
        }
        guard !headers.isEmpty, headers.allSatisfy({ $0.fault == nil }) else { return false }
        do throws(MessageFault) {
            let facts = try JoinFacts(headers)
            for kind in [JoinKind.inner, .left] {
                guard let range = facts.buildRange(kind) else { continue }
                let rowCount = facts.buildsRight(kind) ? facts.rightRows : facts.leftRows
                if let blocks = KeyBlocks(range, rowCount: rowCount, rankCount: count) {
                    _ = BlockRankPartitioner(blocks).partitionCount
                }
            }
            return true
        } catch {
            return false
        }
    }

    /// Rows of columns of `types`, int64 or string, from what one rank says of them and from the numbers
    /// behind it, as many as there are; nil if it is not believed, or they have no numbers.
    package static func numberedRows(_ bytes: [UInt8], of types: [DataType]) -> Table? {
        let words = bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map {
                bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)
            }
        }
        let length = 1 + types.count * KeyProfile.wordCount
        do throws(MessageFault) {
            guard words.count >= length,
                let profiles = try ReceivedProfiles.together(
                    Array(words.prefix(length)), of: types, allowsNulls: true),
                let numbers = KeyNumbers(profiles)
            else { return nil }
            let rest = words.dropFirst(length).map { Int64(bitPattern: $0) }
            let rowCount = rest.count / numbers.count
            let columns = numbers.decoded(
                (0..<numbers.count).map { part in
                    Column(Array(rest.dropFirst(part * rowCount).prefix(rowCount)))
                }, types: types)
            return Table(
                schema: Schema(
                    ofDistinct: types.enumerated().map { Field("c\($0)", $1) }),
                columns: columns, rowCount: rowCount)
        } catch {
            return nil
        }
    }

    /// What `numberedRows` reads, of these columns.
    package static func numbers(of columns: [Column]) -> [UInt8]? {
        let profiles = columns.compactMap { KeyProfile($0) }
        guard profiles.count == columns.count, let numbers = KeyNumbers(profiles) else {
            return nil
        }
        let words =
            [1] + profiles.flatMap(\.words)
            + numbers.encoded(columns).flatMap { column in
                column.int64s.map { UInt64(bitPattern: $0 ?? 0) }
            }
        return words.flatMap { word in withUnsafeBytes(of: word) { Array($0) } }
    }

    /// The texts of a short message; nil if it is cut off.
    package static func texts(_ bytes: [UInt8]) -> [String]? {
        var message = SmallMessage(bytes)
        let texts = (0..<message.takeCount()).map { _ in message.takeText() }
        return message.isMalformed ? nil : texts
    }
}
