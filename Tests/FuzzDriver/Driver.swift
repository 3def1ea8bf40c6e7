// libFuzzer's side of the fuzz targets: FUZZ_TARGET names one, FUZZ_SEEDS a folder that gets its
// seeds before the run. Built by scripts/fuzz only.

import Glibc

@_cdecl("LLVMFuzzerInitialize")
public func initializeFuzzer(
    _ count: UnsafeMutablePointer<Int32>?,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>?
) -> Int32 {
    guard let folder = getenv("FUZZ_SEEDS").map({ String(cString: $0) }) else { return 0 }
    for (number, seed) in Driver.target.seeds().enumerated() {
        let file = open("\(folder)/seed-\(number)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        _ = seed.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        close(file)
    }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    Driver.target.run(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}

/// SwiftPM makes `main` of every executable another name for this; libFuzzer's driver is its body.
@_cdecl("fuzz_main")
public func fuzzMain(
    _ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> Int32 {
    var count = count
    var arguments = arguments
    return runDriver(&count, &arguments) { testOneInput($0, $1) }
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ run: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

enum Driver {
    static let target: FuzzTarget = {
        let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
        if let target = FuzzTarget.all.first(where: { $0.name == name }) { return target }
        for target in FuzzTarget.all { print(target.name) }
        // Not exit, which libFuzzer takes for a finding.
        fflush(nil)
        _exit(name == "list" ? 0 : 2)
    }()
}
