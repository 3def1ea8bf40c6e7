// Traffic for tests that break its connections: every byte is checked, and at the end it is said
// how many were.

import Glibc
import MessagePassing

/// Rounds of ten thousand small messages and a large uneven exchange, for about so many seconds after
/// the first.
/// - Parameter elements: of 8 bytes; each rank sends two thirds of them.
func survive(_ world: any Communicator, seconds: Int, elements: Int = 1_000_000) throws {
    var end = ContinuousClock.now
    var round = 0
    repeat {
        try passSmall(world, count: 10_000, round: round)
        try exchangeLarge(world, elements: elements, round: round)
        if round == 0 {
            end = .now + .seconds(seconds)
            reportHoldings(world.rank)
            report("rank \(world.rank) of \(world.size) is process \(getpid())")
        }
        round += 1
    } while try world.allreduce(ContinuousClock.now < end ? 1 : 0, .max) == 1
    reportHoldings(world.rank)
    report("rank \(world.rank) is done: all bytes of \(round) rounds are right")
}

/// What this process has of the system, between two rounds.
private func reportHoldings(_ rank: Int) {
    var descriptors = 0
    if let folder = opendir("/proc/self/fd") {
        // Less `.`, `..` and the folder itself.
        descriptors = -3
        while readdir(folder) != nil { descriptors += 1 }
        closedir(folder)
    }
    var pages = 0
    if let file = fopen("/proc/self/statm", "r") {
        var text = [CChar](repeating: 0, count: 100)
        _ = fgets(&text, 100, file)
        fclose(file)
        let words = String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self
        )
        .split(separator: " ")
        pages = words.count > 1 ? Int(words[1]) ?? 0 : 0
    }
    report("rank \(rank) holds \(descriptors) descriptors, \(pages * Int(getpagesize()) >> 20) MiB")
}

/// Around the ring, each message a function of who sends it and when.
private func passSmall(_ world: any Communicator, count: Int, round: Int) throws {
    let next = (world.rank + 1) % world.size
    let previous = (world.rank + world.size - 1) % world.size
    for number in 0..<count {
        try world.send(word(world.rank, round, number), to: .rank(next))
        let received = try world.recv(UInt64.self, from: .rank(previous))
        guard received == [word(previous, round, number)] else {
            throw wrong("small message \(number) of round \(round) from rank \(previous)")
        }
    }
}

private func exchangeLarge(_ world: any Communicator, elements: Int, round: Int) throws {
    // Rank r gets r + 1 shares of everybody.
    let counts = (0..<world.size).map { elements / world.size * ($0 + 1) / world.size }
    let mine = counts.indices.flatMap { to in
        (0..<counts[to]).map { word(world.rank, round, to << 32 | $0) }
    }
    let theirs = try world.alltoallv(mine.span, counts: counts).elements
    let count = counts[world.rank]
    for from in 0..<world.size {
        for index in 0..<count
        where theirs[from * count + index] != word(from, round, world.rank << 32 | index) {
            throw wrong("element \(index) of round \(round) from rank \(from)")
        }
    }
}

private func word(_ rank: Int, _ round: Int, _ number: Int) -> UInt64 {
    var z = UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15
    z ^= UInt64(truncatingIfNeeded: rank << 48 ^ round << 40)
    return (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
}

private func wrong(_ what: String) -> MPIError {
    MPIError(.programFailed, operation: "survive", reason: "\(what) is wrong")
}
