// The server's counters in Prometheus's text format, version 0.0.4: names with units, counters that
// end in `_total`, and the usual figures of the process.
// https://prometheus.io/docs/instrumenting/exposition_formats/

import Glibc
import ServerlessMPI

enum Metrics {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    static func text(_ counters: RendezvousCounters, isDraining: Bool) -> String {
        var lines: [String] = []
        func add(
            _ name: String, _ type: String, _ help: String, _ value: some CustomStringConvertible
        ) {
            lines.append("# HELP \(name) \(help)")
            lines.append("# TYPE \(name) \(type)")
            lines.append("\(name) \(value)")
        }
        func total(_ name: String, _ value: Int, _ help: String) {
            add("rendezvous_\(name)_total", "counter", help, value)
        }
        func gauge(_ name: String, _ value: Int, _ help: String) {
            add("rendezvous_\(name)", "gauge", help, value)
        }
        gauge("connections", counters.openConnections, "Open connections of every kind.")
        gauge("jobs", counters.activeJobs, "Jobs that are not over.")
        gauge("ranks", counters.joinedRanks, "Ranks that have joined and not left.")
        gauge("relayed_pairs", counters.activeRelayedPairs, "Pairs of ranks relayed now.")
        gauge("draining", isDraining ? 1 : 0, "1 once the server takes no new jobs.")
        total("connections", counters.connections, "Connections accepted.")
        total(
            "handshakes_failed", counters.failedHandshakes,
            "Connections that ended before they joined: strangers, wrong keys, silence, garbage.")
        total(
            "connections_refused_by_address", counters.refusedByAddress,
            "Connections closed at once because their address had too many.")
        total("messages_malformed", counters.malformedMessages, "Messages that were none.")
        total("jobs_started", counters.startedJobs, "Jobs of which a rank has come.")
        total("jobs_finished", counters.finishedJobs, "Jobs all of whose ranks have left.")
        total("jobs_failed", counters.failedJobs, "Jobs that failed.")
        total("jobs_refused", counters.refusedJobs, "Jobs that were not admitted.")
        total("relayed_pairs", counters.relayedPairs, "Pairs of ranks that met at the relay.")
        total("relayed_bytes", counters.relayedBytes, "Bytes received for relayed pairs.")
        total("relays_refused", counters.refusedRelays, "Relay tokens unknown, used or too old.")
        total("observations", counters.observations, "Ranks seen at the observer port.")
        total(
            "observations_refused", counters.refusedObservations, "Visitors there that were none.")
        let process = ProcessFigures()
        add(
            "process_cpu_seconds_total", "counter", "Processor time used.", process.cpuSeconds)
        add(
            "process_resident_memory_bytes", "gauge", "Resident memory.", process.residentBytes)
        add("process_open_fds", "gauge", "Open descriptors.", process.openDescriptors)
        add("process_max_fds", "gauge", "Descriptors it may open.", DescriptorLimit.current.soft)
        return lines.joined(separator: "\n") + "\n"
    }
}

/// What the kernel says about this process.
private struct ProcessFigures {
    var cpuSeconds = 0.0
    var residentBytes = 0
    var openDescriptors = 0

    init() {
        var used = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used)
        cpuSeconds = Double(used.tv_sec) + Double(used.tv_nsec) * 1e-9
        // proc(5): the second field of statm is the number of resident pages.
        let statm = TextFile.read("/proc/self/statm", byteCountMax: 4096) ?? ""
        let pages = statm.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        residentBytes = pages * Int(sysconf(Int32(_SC_PAGESIZE)))
        guard let folder = opendir("/proc/self/fd") else { return }
        defer { closedir(folder) }
        while readdir(folder) != nil { openDescriptors += 1 }
        // `.`, `..`, and the descriptor that reads the folder.
        openDescriptors -= 3
    }
}
