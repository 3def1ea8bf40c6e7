// Can this machine build a laboratory, and what did dead ones leave?
@preconcurrency import Glibc
import Processes
import Synchronization

private let answer = Mutex<String??>(nil)

/// What is missing for a laboratory, with what to do about it; nil if it can be built. The machine
/// is asked once.
public func reasonLabIsUnavailable() -> String? {
    answer.withLock { answer in
        if let answer { return answer }
        let reason = findReason()
        answer = .some(reason)
        return reason
    }
}

private func findReason() -> String? {
    guard geteuid() == 0 else {
        return "a laboratory of network namespaces needs root: run it as root, or with sudo"
    }
    for program in ["ip", "tc", "nft"] where findSystemProgram(program) == nil {
        return missingLabProgram(program)
    }
    // Only a try tells what the kernel, or the container around us, allows.
    let name = "\(LabPlan.prefix)\(LabIdentity.next())-probe"
    let arguments = ["ip", "netns", "exec", name, "nft", "-f", "-"]
    do throws(LaunchError) {
        let added = try run(LabCommand(arguments: ["ip", "netns", "add", name]))
        guard added.exitCode == 0 else {
            return "no network namespace can be made here: \(firstLine(added.output))"
        }
        defer { _ = try? run(LabCommand(arguments: ["ip", "netns", "del", name])) }
        let rules = FilterRules.router(NATBehaviour(.perConnection, .reset))
        let ruled = try run(LabCommand(arguments: arguments, input: rules))
        guard ruled.exitCode == 0 else {
            return "this kernel has no NAT by nftables: \(firstLine(ruled.output))"
        }
        return nil
    } catch {
        return error.description
    }
}

/// Which package has a program that is not there.
func missingLabProgram(_ program: String) -> String {
    let package = program == "nft" ? "nftables" : "iproute2"
    return "a laboratory needs \(program), which is not there: apt-get install \(package)"
}

private func firstLine(_ text: String) -> String {
    text.split(separator: "\n").first.map(String.init) ?? "no words"
}

/// Removes the namespaces, and what runs in them, of laboratories whose builder is dead.
///
/// - Returns: the namespaces removed.
/// - Throws: `LaunchError` if this process may not.
public func removeDeadLabs() throws(LaunchError) -> [String] {
    if let reason = reasonLabIsUnavailable() { throw LaunchError(reason) }
    let dead = labNamespaces().filter { LabIdentity(namespace: $0)?.isAlive == false }
    let identities = Set(dead.compactMap { LabIdentity(namespace: $0)?.description })
    for identity in identities.sorted() {
        _ = try run(
            LabCommand(
                arguments: [
                    "sh", "-c", "word=done\n" + LabRemover.script, "sh",
                    "\(LabPlan.prefix)\(identity)-",
                ]))
    }
    let left = Set(labNamespaces())
    return dead.filter { !left.contains($0) }
}

/// Every laboratory's namespaces, sorted.
public func labNamespaces() -> [String] {
    guard let folder = opendir("/run/netns") else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if LabIdentity(namespace: name) != nil { names.append(name) }
    }
    return names.sorted()
}
