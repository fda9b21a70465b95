/* The floor: one epoll, one recv and one send a message, and nothing else.
 *
 * Greets each connection, as the load generator expects of a Portal, and sends back what comes.
 * Prints {"telnet_port": N} and serves until it is killed. What a Portal costs above this is its
 * own; what it costs below this is the kernel's.
 *
 * With the argument `websocket` it answers a handshake in place of the greeting (with a key that
 * the load does not look at), takes the mask off each frame, and prints {"websocket_port": N}. A
 * frame has less than 126 bytes and comes in one read: the load's do.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static int listen_anywhere(const char *protocol)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    check(listener, "socket");
    check(bind(listener, (struct sockaddr *)&address, size), "bind");
    check(listen(listener, BACKLOG), "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &size), "getsockname");
    printf("{\"%s_port\": %d}\n", protocol, ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void greet(int epoll, int listener, int websocket)
{
    int one = 1, peer;
    while ((peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!websocket && send(peer, "Welcome.\r\n", 10, MSG_NOSIGNAL) < 0)
            close(peer);
        else
            watch(epoll, peer);
    }
}

/* Answers a handshake, and turns a client's frame into a server's: two bytes without the mask.
 * Returns where the answer begins, and its length; -1 for what is neither. */
static ssize_t answer_frame(unsigned char *buffer, ssize_t length, unsigned char **answer)
{
    static unsigned char opened[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                    "Connection: Upgrade\r\n\r\n";
    if (buffer[0] == 'G') {
        *answer = opened;
        return sizeof opened - 1;
    }
    if (length < 6 || length != 6 + (buffer[1] & 0x7f))
        return -1;
    for (ssize_t i = 6; i < length; i++)
        buffer[i] ^= buffer[2 + (i - 6) % 4];
    buffer[4] = buffer[0];
    buffer[5] = buffer[1] & 0x7f;
    *answer = buffer + 4;
    return length - 4;
}

int main(int count, char **arguments)
{
    static unsigned char buffer[BUFFER];
    struct epoll_event events[EVENTS];
    int websocket = count > 1 && strcmp(arguments[1], "websocket") == 0;
    int epoll = epoll_create1(0), listener = listen_anywhere(websocket ? "websocket" : "telnet");
    check(epoll, "epoll_create1");
    watch(epoll, listener);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int peer = events[i].data.fd;
            if (peer == listener) {
                greet(epoll, listener, websocket);
                continue;
            }
            unsigned char *answer = buffer;
            ssize_t length = recv(peer, buffer, BUFFER, 0);
            if (length > 0 && websocket)
                length = answer_frame(buffer, length, &answer);
            if (length <= 0 || send(peer, answer, (size_t)length, MSG_NOSIGNAL) != length)
                close(peer);
        }
    }
}
