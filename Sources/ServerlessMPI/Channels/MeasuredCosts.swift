// The cost model that a job's choices of channel rest on: AWS's defaults, or what rank 0's file says
// was measured. Rank 0 tells it to all, as choices must be the same everywhere and a file may be at
// one place only.

import Glibc
import MessagePassing

/// What the ranks of a job agree that channels cost.
struct MeasuredCosts: Sendable, Equatable {
    /// Longer files are refused: no model is.
    static let fileByteCountMax = 64 << 10

    var channels = ChannelCosts.aws
    /// Nil: `CostModel`'s default.
    var combinedBytesPerSecond: Double?

    init() {}

    /// What the file has measured; channels it does not mention keep their defaults.
    init(_ file: CostModelFile) {
        channels = ChannelCosts.aws.map { costs in
            file.channels.first { $0.channel == costs.channel } ?? costs
        }
        combinedBytesPerSecond = file.combinedBytesPerSecond
    }

    /// Collective: what rank 0 reads at `path` there (nil: the defaults). Other ranks' paths are not
    /// looked at. Three broadcasts, the last one of the file.
    /// - Errors: `invalidArgument`, on all ranks, if rank 0 cannot read a model there.
    init(atRank0 path: String?, over world: some Communicator) throws(MPIError) {
        let text = world.rank == 0 ? path.map { Self.read($0) } ?? "" : ""
        let isRefused = text.map { !$0.isEmpty && CostModelFile(parsing: $0) == nil } ?? true
        guard try !world.bcast(isRefused, root: 0) else {
            let place = world.rank == 0 ? "\"\(printable(path ?? ""))\"" : "of rank 0"
            throw .invalidArgument(
                "join",
                "\(JoinConfiguration.Variable.costModel) \(place) is no file that "
                    + "`mpi-compare tune --output` wrote")
        }
        let bytes = try world.bcast(array: Array((text ?? "").utf8), root: 0)
        let file = CostModelFile(parsing: String(decoding: bytes, as: UTF8.self))
        self = file.map { MeasuredCosts($0) } ?? MeasuredCosts()
    }

    /// Nil if it cannot be read, is empty or too long.
    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count <= fileByteCountMax {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                return count == 0 && !bytes.isEmpty ? String(decoding: bytes, as: UTF8.self) : nil
            }
            bytes += chunk[..<count]
        }
        return nil
    }
}
