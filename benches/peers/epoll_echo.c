/* The floor: one epoll, one recv and one send a message, and nothing else.
 *
 * Greets each connection, as the load generator expects of a Portal, and sends back what comes.
 * Prints {"telnet_port": N} and serves until it is killed. What a Portal costs above this is its
 * own; what it costs below this is the kernel's.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, BUFFER = 16384, BACKLOG = 4096 };

static void check(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static void watch(int epoll, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    check(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

static int listen_anywhere(void)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    check(listener, "socket");
    check(bind(listener, (struct sockaddr *)&address, size), "bind");
    check(listen(listener, BACKLOG), "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    printf("{\"telnet_port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void greet(int epoll, int listener)
{
    int one = 1, peer;
    while ((peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (send(peer, "Welcome.\r\n", 10, MSG_NOSIGNAL) < 0)
            close(peer);
        else
            watch(epoll, peer);
    }
}

int main(void)
{
    static char buffer[BUFFER];
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(0), listener = listen_anywhere();
    check(epoll, "epoll_create1");
    watch(epoll, listener);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int peer = events[i].data.fd;
            if (peer == listener) {
                greet(epoll, listener);
                continue;
            }
            ssize_t length = recv(peer, buffer, BUFFER, 0);
            if (length <= 0 || send(peer, buffer, (size_t)length, MSG_NOSIGNAL) != length)
                close(peer);
        }
    }
}
