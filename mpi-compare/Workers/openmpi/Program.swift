// The worker of `mpi-compare run` as a SwiftMPI program; everything is in Workloads.
import SwiftMPI
import Workloads

@main
enum Program {
    static func main() {
        runWorker { body in withWorld(body) }
    }
}
