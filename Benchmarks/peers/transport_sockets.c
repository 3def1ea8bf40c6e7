// The ladder's transport over nothing but TCP sockets on loopback: no headers, no matching, all
// peers in flight at once. Whoever waits yields its processor, and does not sleep.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport.h"

static int me, ranks;
static int *links;
static pid_t *children;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static int listener(struct sockaddr_in *address) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t length = sizeof *address;
  memset(address, 0, sizeof *address);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)address, length) || listen(fd, 128) ||
      getsockname(fd, (struct sockaddr *)address, &length))
    die("listener");
  return fd;
}

static void tune(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
  fcntl(fd, F_SETFL, O_NONBLOCK);
}

/// Rank 0 starts the others; each connects to all below it.
void transport_start(int *argc, char ***argv, int wanted, int *rank, int *size) {
  (void)argc;
  (void)argv;
  ranks = wanted < 1 ? 1 : wanted;
  links = calloc(ranks, sizeof(int));
  children = calloc(ranks, sizeof(pid_t));
  int *listeners = calloc(ranks, sizeof(int));
  struct sockaddr_in *addresses = calloc(ranks, sizeof *addresses);
  for (int i = 0; i < ranks; i++) listeners[i] = listener(&addresses[i]);
  me = 0;
  for (int i = 1; i < ranks; i++) {
    children[i] = fork();
    if (children[i] < 0) die("fork");
    if (children[i] == 0) {
      prctl(PR_SET_PDEATHSIG, 9);
      me = i;
      break;
    }
  }
  for (int i = 0; i < me; i++) {
    links[i] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(links[i], (struct sockaddr *)&addresses[i], sizeof addresses[i]) ||
        write(links[i], &me, sizeof me) != sizeof me)
      die("connect");
    tune(links[i]);
  }
  for (int i = me + 1; i < ranks; i++) {
    int peer, fd = accept(listeners[me], 0, 0);
    if (fd < 0 || read(fd, &peer, sizeof peer) != sizeof peer) die("accept");
    tune(fd);
    links[peer] = fd;
  }
  for (int i = 0; i < ranks; i++) close(listeners[i]);
  *rank = me;
  *size = ranks;
}

void transport_end(void) {
  for (int i = 1; i < ranks && me == 0; i++) waitpid(children[i], 0, 0);
}

/// What is under way with one peer.
struct transfer {
  int peer;
  const char *out;
  size_t out_count;
  char *in;
  size_t in_count;
};

static size_t result_of(ssize_t count, const char *what) {
  if (count > 0) return (size_t)count;
  if (count == 0 || (errno != EAGAIN && errno != EINTR)) die(what);
  return 0;
}

static void exchange(struct transfer *transfers, int count) {
  for (;;) {
    int pending = 0, moved = 0;
    for (int i = 0; i < count; i++) {
      struct transfer *t = &transfers[i];
      if (t->out_count) {
        size_t sent = result_of(send(links[t->peer], t->out, t->out_count, MSG_NOSIGNAL), "send");
        t->out += sent;
        t->out_count -= sent;
        moved |= sent > 0;
      }
      if (t->in_count) {
        size_t got = result_of(recv(links[t->peer], t->in, t->in_count, 0), "recv");
        t->in += got;
        t->in_count -= got;
        moved |= got > 0;
      }
      pending |= t->out_count || t->in_count;
    }
    if (!pending) return;
    if (!moved) sched_yield();
  }
}

void send_to(int peer, const void *bytes, size_t count) {
  struct transfer t = {peer, bytes, count, 0, 0};
  exchange(&t, 1);
}

void receive_from(int peer, void *bytes, size_t count) {
  struct transfer t = {peer, 0, 0, bytes, count};
  exchange(&t, 1);
}

/// Without headers a window is one long message, but memory is touched as often.
void stream(int peer, const void *out, void *in, size_t count, int window, int sends,
            int receives) {
  for (int i = 0; i < window; i++) {
    struct transfer t = {peer, out, sends ? count : 0, in, receives ? count : 0};
    exchange(&t, 1);
  }
}

/// Dissemination: in round k a byte to the rank 2^k above, one from that 2^k below.
void barrier(void) {
  char out = 0, in = 0;
  for (int distance = 1; distance < ranks; distance *= 2) {
    struct transfer t[2] = {{(me + distance) % ranks, &out, 1, 0, 0},
                            {(me - distance + ranks) % ranks, 0, 0, &in, 1}};
    exchange(t, 2);
  }
}

static struct transfer *all(void) {
  static struct transfer *transfers;
  if (!transfers) transfers = calloc(ranks, sizeof *transfers);
  return transfers;
}

void broadcast(void *bytes, size_t count, int root) {
  if (me != root) {
    receive_from(root, bytes, count);
    return;
  }
  int used = 0;
  for (int i = 0; i < ranks; i++)
    if (i != me) all()[used++] = (struct transfer){i, bytes, count, 0, 0};
  exchange(all(), used);
}

static void add(const char *out, char *in, size_t count) {
  if (count % 4) {
    for (size_t i = 0; i < count; i++) in[i] = (char)(in[i] + out[i]);
    return;
  }
  const float *from = (const float *)out;
  float *to = (float *)in;
  for (size_t i = 0; i < count / 4; i++) to[i] += from[i];
}

static char *scratch(size_t count) {
  static char *memory;
  static size_t capacity;
  if (capacity < count) {
    free(memory);
    memory = malloc(capacity = count);
  }
  return memory;
}

void reduce(const void *out, void *in, size_t count, int root) {
  if (me != root) {
    send_to(root, out, count);
    return;
  }
  char *parts = scratch(count * ranks);
  int used = 0;
  for (int i = 0; i < ranks; i++)
    if (i != me) all()[used++] = (struct transfer){i, 0, 0, parts + (size_t)i * count, count};
  exchange(all(), used);
  memcpy(in, out, count);
  for (int i = 0; i < ranks; i++)
    if (i != me) add(parts + (size_t)i * count, in, count);
}

/// Everyone gets everything and sums it up: one step. From 32 KiB each sums one part up first.
void allreduce(const void *out, void *in, size_t count) {
  char *parts = scratch(count * ranks);
  if (count < 32768 || ranks < 2) {
    allgather(out, parts, count);
    memcpy(in, parts, count);
    for (int i = 1; i < ranks; i++) add(parts + (size_t)i * count, in, count);
    return;
  }
  size_t share = (count / ranks + 3) / 4 * 4;
  size_t first = share * me < count ? share * me : count;
  size_t mine = first + share < count ? share : count - first;
  int used = 0;
  for (int i = 0; i < ranks; i++) {
    if (i == me) continue;
    size_t theirs = share * i < count ? share * i : count;
    size_t length = theirs + share < count ? share : count - theirs;
    all()[used++] = (struct transfer){i, (const char *)out + theirs, length,
                                      parts + (size_t)i * share, mine};
  }
  exchange(all(), used);
  memcpy((char *)in + first, (const char *)out + first, mine);
  for (int i = 0; i < ranks; i++)
    if (i != me) add(parts + (size_t)i * share, (char *)in + first, mine);
  used = 0;
  for (int i = 0; i < ranks; i++) {
    if (i == me) continue;
    size_t theirs = share * i < count ? share * i : count;
    size_t length = theirs + share < count ? share : count - theirs;
    all()[used++] =
        (struct transfer){i, (const char *)in + first, mine, (char *)in + theirs, length};
  }
  exchange(all(), used);
}

void allgather(const void *out, void *in, size_t count) {
  int used = 0;
  for (int i = 0; i < ranks; i++)
    if (i != me)
      all()[used++] = (struct transfer){i, out, count, (char *)in + (size_t)i * count, count};
  memcpy((char *)in + (size_t)me * count, out, count);
  exchange(all(), used);
}

void alltoallv(const void *out, void *in, size_t count) {
  int used = 0;
  for (int i = 0; i < ranks; i++)
    if (i != me)
      all()[used++] = (struct transfer){i, (const char *)out + (size_t)i * count, count,
                                        (char *)in + (size_t)i * count, count};
  memcpy((char *)in + (size_t)me * count, (const char *)out + (size_t)me * count, count);
  exchange(all(), used);
}

double slowest(double seconds) {
  double *values = malloc(ranks * sizeof(double)), result = 0;
  allgather(&seconds, values, sizeof seconds);
  for (int i = 0; i < ranks; i++)
    if (values[i] > result) result = values[i];
  free(values);
  return result;
}
