// One CSV file read by all ranks, each its own range of bytes. Four small exchanges, whatever the
// file's size: can all open it, what is in the header, does my range begin inside quotes, and
// which types do the columns have.
import Glibc
import MessagePassing

/// The steps of `Frame.readCSV`.
struct CSVReader {
    let path: String
    let communicator: any Communicator
    let options: CSVOptions
    let rules: TextRules

    init(
        _ path: String, on communicator: any Communicator, _ options: CSVOptions
    ) throws(FrameError) {
        let delimiter = try checkedDelimiter(
            options.delimiter, operation: "readCSV", path: path)
        self.path = path
        self.communicator = communicator
        self.options = options
        rules = TextRules(
            nulls: NullSpellings(options.nullSpellings), quotedNulls: options.quotedNulls,
            delimiter: delimiter)
    }

    /// This rank's rows. Collective.
    func read() throws(FrameError) -> Table {
        let file = try openEverywhere()
        let header = try readHeader(file)
        let chosen = try chooseColumns(header)
        let share = share(of: file.byteCount, from: header.dataStart)
        let records = try records(of: file, in: share)

        var columns = chosen.map { ColumnReader(type: options.types[header.names[$0]]) }
        let fault = convert(records, of: file, positions: chosen, into: &columns, header)
        let seen = try agree(on: fault, columns, file, share, header)
        let types = chosen.indices.map { index in
            options.types[header.names[chosen[index]]]
                ?? seen.reduce(FieldKinds()) { $0.union($1[index].kinds) }.type
        }
        // All ranks know whether some rank guessed wrong, and then agree once more.
        let again = seen.map { guesses in
            types.indices.filter { guesses[$0].mustReread(for: types[$0]) }
        }
        if again.contains(where: { !$0.isEmpty }) {
            let mine = again[communicator.rank]
            var second = mine.map { ColumnReader(type: types[$0]) }
            let fault =
                mine.isEmpty
                ? nil
                : convert(
                    records, of: file, positions: mine.map { chosen[$0] }, into: &second, header)
            _ = try agree(on: fault, [], file, share, header)
            for (index, column) in zip(mine, second) { columns[index] = column }
        }
        let finished = zip(columns, types).map { $0.finish($1) }
        return Table(
            schema: try Schema(
                zip(chosen, types).map { Field(header.names[$0], $1) }, operation: "readCSV"),
            columns: finished, rowCount: columns.first?.count ?? 0)
    }

    /// Reads this rank's records into `columns`, which are at `positions` of the file.
    private func convert(
        _ records: Result<Range<Int>, ReadFault>, of file: InputFile, positions: [Int],
        into columns: inout [ColumnReader], _ header: CSVHeader
    ) -> ReadFault? {
        let width = header.names.count
        var reader = RecordReader(
            file, delimiter: rules.delimiter, width: width, blockSize: options.blockSize)
        defer { reader.deallocate() }
        do throws(ReadFault) {
            _ = try reader.forEachBlock(of: try records.get()) {
                (block, indexer, start) throws(ReadFault) in
                guard let fields = indexer.fields.baseAddress else { return }
                var first: (row: Int, position: Int)?
                for index in columns.indices {
                    let texts = ColumnTexts(
                        block: block, fields: fields + positions[index], width: width,
                        count: indexer.recordCount, rules: rules)
                    let failure = columns[index].append(texts)
                    if let failure, failure < first?.row ?? .max {
                        first = (failure, positions[index])
                    }
                }
                guard let first else { return }
                let span = fields[first.row * width + first.position]
                let text = block[span.start..<min(span.end, span.start + 40)]
                throw ReadFault(
                    kind: .value(
                        column: first.position, text: String(decoding: text, as: UTF8.self)),
                    offset: start + span.start)
            }
            return nil
        } catch {
            return error
        }
    }

    /// Throws the first fault of all ranks on all of them; else returns what each rank has seen in
    /// each column.
    private func agree(
        on fault: ReadFault?, _ columns: [ColumnReader], _ file: InputFile, _ share: Range<Int>,
        _ header: CSVHeader
    ) throws(FrameError) -> [[ColumnGuess]] {
        let mine: [UInt16] = [fault == nil ? 0 : 1] + columns.map { $0.guess.packed }
        let all = try exchanging { () throws(MPIError) in try communicator.allgather(mine.span) }
        let stride = mine.count
        let ranks = 0..<communicator.size
        // Ranges are in rank order, so the lowest rank's fault is the first in the file.
        guard let first = ranks.first(where: { all[$0 * stride] == 1 }) else {
            return ranks.map { rank in
                all[rank * stride + 1..<(rank + 1) * stride].map { ColumnGuess(packed: $0) }
            }
        }
        let description = fault.map {
            CSVFault($0, columns: header.names, types: options.types)
        }
        let sent = description?.message.bytes ?? []
        let agreed = CSVFault(
            SmallMessage(
                try exchanging { () throws(MPIError) in
                    try communicator.bcast(array: sent, root: first)
                }))
        guard let offset = agreed.offset else { throw agreed.error(path, line: nil) }
        let start = communicator.rank == 0 ? 0 : share.lowerBound
        let counted = start..<max(start, min(share.upperBound, offset))
        var lineEnds = 0
        do throws(ReadFault) {
            lineEnds = try file.lineEnds(in: counted)
        } catch {
            // The fault at hand matters more than a line number that is too low.
            lineEnds = 0
        }
        let local = lineEnds
        let before = try exchanging { () throws(MPIError) in
            try communicator.allreduce(local, .sum)
        }
        throw agreed.error(path, line: before + 1)
    }

    /// A communicator's error as this operation's.
    func exchanging<Result>(
        _ body: () throws(MPIError) -> Result
    ) throws(FrameError) -> Result {
        do throws(MPIError) {
            return try body()
        } catch {
            throw FrameError(error, during: "readCSV")
        }
    }
}
