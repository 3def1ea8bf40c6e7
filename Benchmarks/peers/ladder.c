// The ladder of `mpi-compare bench` in C, for comparison: over MPI, whichever compiler wrapper
// builds it (-DLADDER_MPI), or over plain sockets as the floor that no library can be below. It
// knows the same turns ("op bytes microseconds", one line each on FOLDER/rank-R) and prints the
// same figures.
//
// Usage: ladder FOLDER yes|no [RANKS]      yes: rank r stays on processor r modulo their number
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "transport.h"

static int rank, size;
static char *sending, *receiving;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static int window_of(size_t bytes) {
  size_t fitting = ((size_t)8 << 20) / (bytes ? bytes : 1);
  return fitting < 2 ? 2 : fitting > 64 ? 64 : (int)fitting;
}

static void run(const char *op, size_t bytes, int count) {
  int window = window_of(bytes), two = !strcmp(op, "bidirectional");
  if (!strcmp(op, "pingpong")) {
    for (int i = 0; i < count && rank < 2; i++) {
      if (rank == 0) send_to(1, sending, bytes);
      receive_from(1 - rank, receiving, bytes);
      if (rank == 1) send_to(0, sending, bytes);
    }
  } else if (!strcmp(op, "bandwidth") || two) {
    for (int i = 0; i < count && rank < 2; i++) {
      stream(1 - rank, sending, receiving, bytes, window, two || rank == 0, two || rank == 1);
      char answer = 0;
      if (rank == 0) receive_from(1, &answer, 1);
      else send_to(0, &answer, 1);
    }
  } else {
    for (int i = 0; i < count; i++) {
      if (!strcmp(op, "barrier")) barrier();
      else if (!strcmp(op, "bcast")) broadcast(i % size == rank ? sending : receiving, bytes, i % size);
      else if (!strcmp(op, "reduce")) reduce(sending, receiving, bytes, i % size);
      else if (!strcmp(op, "allreduce")) allreduce(sending, receiving, bytes);
      else if (!strcmp(op, "allgather")) allgather(sending, receiving, bytes);
      else if (!strcmp(op, "alltoallv")) alltoallv(sending, receiving, bytes);
      else { fprintf(stderr, "ladder: there is no %s\n", op); exit(1); }
    }
  }
}

static double time_of(const char *op, size_t bytes, int count) {
  barrier();
  double start = now();
  run(op, bytes, count);
  return slowest(now() - start);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: ladder FOLDER yes|no [RANKS]\n");
    return 2;
  }
  transport_start(&argc, &argv, argc > 3 ? atoi(argv[3]) : 0, &rank, &size);
  if (!strcmp(argv[2], "yes")) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(rank % sysconf(_SC_NPROCESSORS_ONLN), &set);
    sched_setaffinity(0, sizeof set, &set);
  }
  char path[4096];
  snprintf(path, sizeof path, "%s/rank-%d", argv[1], rank);
  FILE *gate = fopen(path, "r");
  if (!gate) {
    perror(path);
    return 1;
  }
  barrier();
  if (rank == 0) {
    printf("{\"message\":\"ladder\",\"op\":\"ready\",\"bytes\":0,\"us\":0}\n");
    fflush(stdout);
  }
  char op[32];
  size_t bytes;
  long microseconds;
  while (fscanf(gate, "%31s %zu %ld", op, &bytes, &microseconds) == 3) {
    size_t length = bytes * size + 4096;
    sending = aligned_alloc(4096, (length + 4095) / 4096 * 4096);
    receiving = aligned_alloc(4096, (length + 4095) / 4096 * 4096);
    memset(sending, 0, length);
    memset(receiving, 0, length);
    double wanted = microseconds / 1e6, seconds;
    int count = 1;
    while ((seconds = time_of(op, bytes, count)) < wanted / 8 && count < 1 << 20) count *= 4;
    double fitting = count * wanted / (seconds < 1e-7 ? 1e-7 : seconds);
    count = fitting < 1 ? 1 : fitting > 1 << 22 ? 1 << 22 : (int)fitting;
    seconds = time_of(op, bytes, count);
    int messages = !strcmp(op, "pingpong") ? 2
                   : !strcmp(op, "bandwidth") || !strcmp(op, "bidirectional") ? window_of(bytes) : 1;
    if (rank == 0) {
      printf("{\"message\":\"ladder\",\"op\":\"%s\",\"bytes\":%zu,\"us\":%.6f}\n", op, bytes,
             seconds * 1e6 / ((double)count * messages));
      fflush(stdout);
    }
    free(sending);
    free(receiving);
  }
  transport_end();
  return 0;
}
