// The worker of `mpi-compare run` as a ThreadMPI program; everything is in Workloads.
import ThreadMPI
import Workloads

@main
enum Program {
    static func main() {
        runWorker { body in withWorld(body) }
    }
}
