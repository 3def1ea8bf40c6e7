// A place for the pipes and programs of one run, gone after it.
@preconcurrency import Glibc
import Processes

/// A folder of this process's own, in the place for temporary files.
struct TemporaryFolder {
    let path: String

    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/mpi-compare.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw LaunchError("cannot make a folder in \(parent): \(lastSystemError())")
        }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    func make(_ name: String) throws -> String {
        let folder = "\(path)/\(name)"
        guard mkdir(folder, 0o700) == 0 else {
            throw LaunchError("cannot make the folder \(folder): \(lastSystemError())")
        }
        return folder
    }

    func remove() { TemporaryFolder.remove(path) }

    private static func remove(_ path: String) {
        if let folder = opendir(path) {
            defer { closedir(folder) }
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
                        String(cString: $0)
                    }
                }
                if name != "." && name != ".." { remove("\(path)/\(name)") }
            }
        }
        _ = Glibc.remove(path)
    }
}
