// The worker of `mpi-compare run` as a ServerlessMPI program; everything is in Workloads.
import ServerlessMPI
import Workloads

@main
enum Program {
    static func main() {
        runWorker { body in withWorld(body) }
    }
}
