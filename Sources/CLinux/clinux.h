// Linux interfaces that Swift's Glibc module leaves out: epoll, eventfd, TCP socket options, and
// the query for bytes a socket has not delivered yet.
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
