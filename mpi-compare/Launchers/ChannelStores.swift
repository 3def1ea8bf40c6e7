// The stores of a job over several channels: those that the environment names, and servers of its
// own for the others.
@preconcurrency import Glibc
import Processes
import ServerlessMPI

/// `stop` it when the job is over.
struct ChannelStores {
    /// What ranks need to find the stores.
    private(set) var variables: [String: String] = [:]
    private var servers: [StorageServer] = []

    init(for plan: ChannelPlan?) throws(LaunchError) {
        for channel in plan?.stores ?? [] {
            let variable =
                channel == .redis
                ? JoinConfiguration.Variable.redis : JoinConfiguration.Variable.s3
            // Ranks inherit it.
            if let text = getenv(variable), text.pointee != 0 { continue }
            do throws(LaunchError) {
                let server =
                    channel == .redis ? try StorageServer.redis() : try StorageServer.s3(nil)
                servers.append(server)
                variables.merge(server.variables, uniquingKeysWith: { $1 })
                variables[variable] = "\(server.place)"
            } catch {
                stop()
                throw error
            }
        }
    }

    func stop() {
        for server in servers { server.stop() }
    }
}
