// Linux interfaces that Swift's Glibc module leaves out: epoll, eventfd, TCP socket options, the
// query for bytes a socket has not delivered yet, and accept4 (hidden behind _GNU_SOURCE).
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

extern int accept4(int, struct sockaddr *, socklen_t *, int);
