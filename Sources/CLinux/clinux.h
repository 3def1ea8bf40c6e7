// Linux interfaces that Swift's Glibc module leaves out: epoll, eventfd, timerfd, TCP socket
// options, the query for bytes a socket has not delivered yet, and three that <sys/socket.h> and
// <sched.h> declare only with _GNU_SOURCE: accept4, setns to enter another namespace, and
// sched_setaffinity to stay on one processor.
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int setns(int, int);
extern int sched_setaffinity(int, unsigned long, const cpu_set_t *);
