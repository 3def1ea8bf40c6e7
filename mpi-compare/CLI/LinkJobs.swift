// Starts worker-link in a laboratory and collects what its ranks say: the measurement that
// `nat-grid` and `mesh` have in common.
@preconcurrency import Glibc
import Lab
import Launchers
import Processes
import Records
import Report
import ServerlessMPI

struct LinkJobs {
    let lab: Lab
    let isEncrypted: Bool
    private let server: RendezvousServer
    private let worker: String
    private let joinTimeout: Duration

    /// - Throws: `LaunchError` if the laboratory or the server cannot be made.
    init(
        _ internet: Internet, isEncrypted: Bool, joinTimeout: Duration
    ) throws(LaunchError) {
        worker = folderOfThisProgram() + "/worker-link"
        guard findExecutable(worker) != nil else {
            throw LaunchError("there is no \(worker): swift build --product worker-link")
        }
        self.isEncrypted = isEncrypted
        self.joinTimeout = joinTimeout
        lab = try Lab(internet)
        do throws(LaunchError) {
            server = try startServer(in: lab)
        } catch {
            lab.close()
            throw error
        }
    }

    func close() {
        server.stop()
        lab.close()
    }

    /// One job with a rank on each of the hosts.
    ///
    /// - Parameter number: a job of its own for every number.
    /// - Returns: the signal that interrupted it, if one did.
    func run(_ number: Int, on hosts: [String], into tries: inout LinkTries) -> Int32? {
        let url = JoinURL(
            host: server.host, port: server.port, job: "link-\(getpid())-\(number)",
            size: hosts.count, encryption: isEncrypted ? .on : .none, joinTimeout: joinTimeout,
            timeout: .seconds(10), observerPort: server.observerPort)
        var reports: [LinkReport] = []
        var complaint: String?
        var options = JobOptions()
        options.grace = .milliseconds(500)
        options.timeout = joinTimeout + .seconds(15)
        do throws(LaunchError) {
            let plans = try placed(serverlessPlans(worker, [], url, server), in: lab, on: hosts)
            let end = try runJob(plans, options) { line in
                if line.stream == .standardOutput, let report = LinkReport(line: line.text) {
                    reports.append(report)
                } else if complaint == nil, !line.text.isEmpty {
                    complaint = line.text
                }
            }
            switch end {
            case .success: tries.add(reports, ranks: hosts.count)
            case .interrupted(let signal): return signal
            case .timedOut: tries.fail("not done in time")
            case .failed(let exitCode, _): tries.fail(complaint ?? "exit code \(exitCode)")
            }
        } catch {
            tries.fail(error.description)
        }
        return nil
    }
}
