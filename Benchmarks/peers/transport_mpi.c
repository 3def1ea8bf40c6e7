// The ladder's transport over MPI: Open MPI or MPICH, as the compiler wrapper says.
#include <mpi.h>
#include <stdlib.h>

#include "transport.h"

static int ranks, *counts, *displacements;

void transport_start(int *argc, char ***argv, int unused, int *rank, int *size) {
  (void)unused;
#ifdef OPEN_MPI
  // As SwiftMPI, which is compared with it, has to: its callers may have threads.
  int granted;
  MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &granted);
#else
  MPI_Init(argc, argv);
#endif
  MPI_Comm_rank(MPI_COMM_WORLD, rank);
  MPI_Comm_size(MPI_COMM_WORLD, size);
  ranks = *size;
  counts = calloc(ranks, sizeof(int));
  displacements = calloc(ranks, sizeof(int));
}

void transport_end(void) { MPI_Finalize(); }

void send_to(int peer, const void *bytes, size_t count) {
  MPI_Send(bytes, (int)count, MPI_BYTE, peer, 0, MPI_COMM_WORLD);
}

void receive_from(int peer, void *bytes, size_t count) {
  MPI_Recv(bytes, (int)count, MPI_BYTE, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

void stream(int peer, const void *out, void *in, size_t count, int window, int sends,
            int receives) {
  MPI_Request requests[128];
  int pending = 0;
  for (int i = 0; i < window && receives; i++)
    MPI_Irecv(in, (int)count, MPI_BYTE, peer, 0, MPI_COMM_WORLD, &requests[pending++]);
  for (int i = 0; i < window && sends; i++)
    MPI_Isend(out, (int)count, MPI_BYTE, peer, 0, MPI_COMM_WORLD, &requests[pending++]);
  MPI_Waitall(pending, requests, MPI_STATUSES_IGNORE);
}

void barrier(void) { MPI_Barrier(MPI_COMM_WORLD); }

void broadcast(void *bytes, size_t count, int root) {
  MPI_Bcast(bytes, (int)count, MPI_BYTE, root, MPI_COMM_WORLD);
}

static MPI_Datatype type_of(size_t count) { return count % 4 ? MPI_UNSIGNED_CHAR : MPI_FLOAT; }
static int elements(size_t count) { return (int)(count % 4 ? count : count / 4); }

void reduce(const void *out, void *in, size_t count, int root) {
  MPI_Reduce(out, in, elements(count), type_of(count), MPI_SUM, root, MPI_COMM_WORLD);
}

void allreduce(const void *out, void *in, size_t count) {
  MPI_Allreduce(out, in, elements(count), type_of(count), MPI_SUM, MPI_COMM_WORLD);
}

void allgather(const void *out, void *in, size_t count) {
  MPI_Allgather(out, (int)count, MPI_BYTE, in, (int)count, MPI_BYTE, MPI_COMM_WORLD);
}

void alltoallv(const void *out, void *in, size_t count) {
  for (int i = 0; i < ranks; i++) {
    counts[i] = (int)count;
    displacements[i] = (int)count * i;
  }
  MPI_Alltoallv(out, counts, displacements, MPI_BYTE, in, counts, displacements, MPI_BYTE,
                MPI_COMM_WORLD);
}

double slowest(double seconds) {
  double result;
  MPI_Allreduce(&seconds, &result, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return result;
}
