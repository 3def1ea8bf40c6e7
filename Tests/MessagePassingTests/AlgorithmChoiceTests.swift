// Which algorithm a collective takes between hosts: the one whose cost is least by the model, whatever
// the figures are.

import Testing

@testable import MessagePassing

@Suite struct AlgorithmChoiceTests {
    private let lambda = AlgorithmChoice.modelled(.default(.direct))

    private func algorithm(
        _ choice: AlgorithmChoice, _ operation: CollectiveOperation, _ byteCount: Int, _ size: Int
    ) -> CollectiveAlgorithm {
        choice.algorithm(operation, byteCount: byteCount, elementCount: byteCount / 8, size: size)
    }

    @Test func `between functions few bytes go to all at once, among very many ranks in steps`() {
        for operation: CollectiveOperation in [.barrier, .bcast, .reduce, .allreduce, .allgather] {
            for size in [2, 8, 64] {
                #expect(
                    algorithm(lambda, operation, 8, size) == .direct, "\(operation), \(size)")
            }
        }
        #expect(algorithm(lambda, .barrier, 0, 4096) == .dissemination)
        #expect(algorithm(lambda, .bcast, 8, 4096) == .binomialTree)
        #expect(algorithm(lambda, .reduce, 8, 4096) == .binomialTree)
        #expect(algorithm(lambda, .allreduce, 8, 4096) == .recursiveDoubling)
        #expect(algorithm(lambda, .allgather, 8, 4096) == .bruck)
    }

    @Test func `long vectors are divided among the ranks`() {
        for size in [3, 8, 64] {
            #expect(algorithm(lambda, .bcast, 64 << 20, size) == .scatterAllgather)
            #expect(algorithm(lambda, .reduce, 64 << 20, size) == .reduceScatterGather)
            #expect(algorithm(lambda, .allreduce, 64 << 20, size) == .reduceScatterGather)
        }
        // Nothing is divided that has fewer elements than there are ranks.
        let few = lambda.algorithm(.allreduce, byteCount: 64 << 20, elementCount: 7, size: 8)
        #expect(few != .reduceScatterGather)
    }

    @Test func `latency decides for fewer steps, processor time for fewer messages`() {
        func choice(latency: Double, overhead: Double) -> AlgorithmChoice {
            .modelled(
                ChannelCosts(
                    channel: .direct, latencySeconds: latency, overheadSeconds: overhead,
                    bytesPerSecond: 1e9, origin: "test"))
        }
        for operation: CollectiveOperation in [.barrier, .bcast, .allreduce, .allgather] {
            let far = algorithm(choice(latency: 1, overhead: 1e-6), operation, 8, 64)
            let busy = algorithm(choice(latency: 1e-6, overhead: 1), operation, 8, 64)
            #expect(far == .direct, "\(operation)")
            #expect(busy != .direct && busy != .reduceScatterGather, "\(operation)")
        }
    }

    @Test func `no other algorithm would be cheaper by the model`() {
        let candidates: [CollectiveOperation: [CollectiveAlgorithm]] = [
            .barrier: [.direct, .dissemination],
            .bcast: [.direct, .binomialTree, .scatterAllgather],
            .reduce: [.direct, .binomialTree, .reduceScatterGather],
            .allreduce: [.direct, .recursiveDoubling, .reduceScatterGather],
            .allgather: [.direct, .bruck],
        ]
        let costs = ChannelCosts.default(.direct)
        for (operation, algorithms) in candidates {
            for size in [3, 4, 5, 8, 100, 1000] {
                for byteCount in [0, 8, 4096, 1 << 20, 1 << 26] where byteCount >= 8 * size {
                    let seconds = algorithms.map {
                        Work.sent(operation, by: $0, byteCount, size).seconds(on: costs)
                    }
                    let chosen = algorithm(lambda, operation, byteCount, size)
                    let own = Work.sent(operation, by: chosen, byteCount, size)
                        .seconds(on: costs)
                    #expect(own == seconds.min(), "\(operation), \(byteCount) B, \(size)")
                }
            }
        }
    }

    @Test func `the model counts the steps and messages of the algorithms`() {
        // Ranks beyond a power of two hand their vector over first, and hear the result last.
        for (size, steps) in [(2, 1.0), (3, 3), (4, 2), (5, 4), (8, 3), (9, 5)] {
            #expect(Work.sent(.allreduce, by: .recursiveDoubling, 8, size).steps == steps)
        }
        // The root of a broadcast scatters and sends its own block; that of a reduction exchanges
        // blocks with all and then collects them.
        #expect(Work.sent(.bcast, by: .scatterAllgather, 1 << 20, 6).messages == 10)
        #expect(Work.sent(.reduce, by: .reduceScatterGather, 1 << 20, 6).messages == 15)
        #expect(Work.sent(.allreduce, by: .reduceScatterGather, 1 << 20, 6).messages == 20)
    }

    @Test func `on one host a barrier of a power of two of ranks doubles recursively`() {
        for size in 2...70 {
            let isPower = size & (size - 1) == 0
            #expect(
                algorithm(.measuredOnOneHost(), .barrier, 0, size)
                    == (isPower ? .recursiveDoubling : .dissemination))
        }
    }

    @Test func `a rank alone sends nothing, by measurement or by model`() {
        for operation in CollectiveOperation.allCases {
            #expect(algorithm(lambda, operation, 8, 1) == .local)
            #expect(algorithm(.measuredOnOneHost(), operation, 8, 1) == .local)
        }
    }
}
