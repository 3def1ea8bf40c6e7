// What the C ladder asks of a transport.
#pragma once
#include <stddef.h>

void transport_start(int *argc, char ***argv, int ranks, int *rank, int *size);
void transport_end(void);
void send_to(int peer, const void *bytes, size_t count);
void receive_from(int peer, void *bytes, size_t count);
/// `window` messages one way or both ways at once.
void stream(int peer, const void *out, void *in, size_t count, int window, int sends, int receives);
void barrier(void);
void broadcast(void *bytes, size_t count, int root);
/// Sums of 4-byte floats, or of bytes where `count` is no multiple of 4.
void reduce(const void *out, void *in, size_t count, int root);
void allreduce(const void *out, void *in, size_t count);
void allgather(const void *out, void *in, size_t count);
void alltoallv(const void *out, void *in, size_t count);
/// The largest of all ranks' values, on rank 0 and all others.
double slowest(double seconds);
