// One error on all ranks: the rank that failed tells the others, who would else wait for it. Only
// runs when something went wrong; what finds out that it did is the header of an exchange.

import MessagePassing

enum Agreement {
    /// The error of rank `failed`, on every rank. Collective: two broadcasts.
    static func error(
        _ own: FrameError?, from failed: Int, operation: String, on world: any Communicator
    ) throws(FrameError) -> FrameError {
        let parts = own?.parts ?? []
        let received = try broadcast(parts, from: failed, operation: operation, on: world)
        return FrameError(parts: received)
            ?? FrameError(
                .communication, operation: operation, reason: "rank \(failed) failed")
    }

    /// The texts of some ranks, on every rank. Collective: two broadcasts each.
    static func texts(
        _ own: String, of ranks: [Int], on world: any Communicator
    ) throws(FrameError) -> [String] {
        var texts: [String] = []
        for rank in ranks {
            texts += try broadcast([own], from: rank, operation: "frame", on: world)
        }
        return texts
    }

    private static func broadcast(
        _ texts: [String], from root: Int, operation: String, on world: any Communicator
    ) throws(FrameError) -> [String] {
        // Texts end with a byte that UTF-8 never contains.
        let bytes: [UInt8] = texts.flatMap { Array($0.utf8) + [0xFF] }
        do {
            let received = try world.bcast(array: bytes, root: root)
            return received.split(separator: 0xFF, omittingEmptySubsequences: false).dropLast()
                .map { String(decoding: $0, as: UTF8.self) }
        } catch {
            throw FrameError(error, during: operation)
        }
    }
}

extension FrameError {
    /// Everything but the cause, which becomes part of the reason, as texts.
    fileprivate var parts: [String] {
        [
            code.name, operation, cause.map { "\(reason): \($0)" } ?? reason, column ?? "",
            path ?? "", line.map { "\($0)" } ?? "", location ?? "",
        ]
    }

    fileprivate init?(parts: [String]) {
        guard parts.count == 7 else { return nil }
        func optional(_ text: String) -> String? { text.isEmpty ? nil : text }
        self.init(
            Code(parts[0]), operation: parts[1], reason: parts[2], column: optional(parts[3]),
            path: optional(parts[4]), line: Int(parts[5]), location: optional(parts[6]))
    }
}

extension PlanStep {
    /// A step of a frame failed its check on this rank. Tells the others in the next exchange, of
    /// this step or of a later one if this one needs none; the error to throw.
    func agreedFailure(_ error: FrameError) -> FrameError {
        let world = inputs[0].communicator
        guard world.size > 1 else { return error }
        var header = ExchangeHeader(fingerprint: 0)
        header.status = 1
        let headers = Array(repeating: header, count: world.size)
        do throws(MPIError) {
            let received = try world.alltoall(headers.span)
            guard let failed = received.firstIndex(where: { $0.status == 1 }) else { return error }
            do throws(FrameError) {
                return try Agreement.error(error, from: failed, operation: name, on: world)
            } catch {
                return error
            }
        } catch {
            return FrameError(error, during: name)
        }
    }
}
