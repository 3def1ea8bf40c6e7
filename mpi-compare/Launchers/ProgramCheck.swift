// Is the program linked to the library of the environment it is started in? A program that is not
// would run as N worlds of one rank each, and look as if it worked.
@preconcurrency import Glibc

/// The backends whose module names stand in an executable file; nil if it is no ELF file (a script
/// may start anything).
func linkedBackends(_ path: String) -> Set<Backend>? {
    withExecutableBytes(path) { bytes in
        Set(Backend.allCases.filter { contains(bytes, moduleDescriptor(of: $0)) })
    }
}

/// Does the program need the MPI library? One that was built where Open MPI was missing does not,
/// and can only say so.
public func isLinkedToOpenMPI(_ path: String) -> Bool {
    withExecutableBytes(path) { contains($0, [0] + Array("libmpi.so".utf8)) } ?? false
}

private func withExecutableBytes<Result>(
    _ path: String, _ body: (UnsafeRawBufferPointer) -> Result
) -> Result? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0, information.st_size > 4 else { return nil }
    let size = Int(information.st_size)
    guard let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
        memory != MAP_FAILED
    else { return nil }
    defer { munmap(memory, size) }
    let bytes = UnsafeRawBufferPointer(start: memory, count: size)
    guard bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else { return nil }
    return body(bytes)
}

/// A warning for the user, or nil if the program fits or cannot be judged.
func mismatchWarning(_ path: String, _ environment: Environment) -> String? {
    guard let linked = linkedBackends(path), !linked.isEmpty,
        !linked.contains(environment.backend)
    else { return nil }
    let modules = linked.map(\.module).sorted().joined(separator: ", ")
    return "\(path) is linked to \(modules), not to \(environment.backend.module): in environment "
        + "\(environment.rawValue) every process will be a world of its own"
}

/// The module's name as the compiler writes it into every binary's type metadata: a string of its
/// own, with a zero before and after it. It survives stripping.
private func moduleDescriptor(of backend: Backend) -> [UInt8] {
    [0] + Array(backend.module.utf8) + [0]
}

private func contains(_ bytes: UnsafeRawBufferPointer, _ pattern: [UInt8]) -> Bool {
    guard let base = bytes.baseAddress, bytes.count >= pattern.count else { return false }
    // The first byte is a zero, which is everywhere; the second one is searched for.
    var position = 1
    let last = bytes.count - pattern.count + 1
    while position <= last,
        let hit = memchr(base + position, Int32(pattern[1]), last - position + 1)
    {
        let start = UnsafeRawPointer(hit) - 1
        if memcmp(start, pattern, pattern.count) == 0 { return true }
        position = base.distance(to: start) + 2
    }
    return false
}
