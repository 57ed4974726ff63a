#include "server/listen.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024

/* Splits "host:port" or "[host]:port"; false when it is neither. */
static bool split_where(const char *where, char *host, size_t host_size, const char **ret_port)
{
    bool bracketed = *where == '[';
    const char *name = where + bracketed;
    size_t length = strcspn(name, bracketed ? "]" : ":");
    const char *rest = name + length + (bracketed && name[length] == ']');
    if (*rest != ':' || rest[1] == '\0' || rest[1 + strspn(rest + 1, "0123456789")] != '\0' ||
        strtoul(rest + 1, NULL, 10) > UINT16_MAX || length >= host_size)
        return false;
    memcpy(host, name, length);
    host[length] = '\0';
    *ret_port = rest + 1;
    return true;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* Reads back what was bound, as the kernel chose the port when it was 0. */
static enum status describe(int fd, struct listen_socket *ret_socket, struct error *err)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    char port[8];
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0)
        return error_set_errno(err, "cannot read back the listening address");
    if (getnameinfo((struct sockaddr *)&bound, size, ret_socket->address, sizeof ret_socket->address, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return error_set(err, ERR_IO, "cannot read back the listening address");
    bool v6 = bound.ss_family == AF_INET6;
    snprintf(ret_socket->url, sizeof ret_socket->url, "http://%s%s%s:%s", v6 ? "[" : "", ret_socket->address,
             v6 ? "]" : "", port);
    ret_socket->fd = fd;
    ret_socket->loopback = is_loopback((struct sockaddr *)&bound);
    return OK;
}

enum status listen_open(const char *where, struct listen_socket *ret_socket, struct error *err)
{
    char host[64];
    const char *port;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (!split_where(where, host, sizeof host, &port) || getaddrinfo(host, port, &hints, &found) != 0)
        return error_set(err, ERR_ARGUMENT,
                         "\"%s\" is not an address to listen on, like 127.0.0.1:8080 or [::1]:8080", where);

    enum status status;
    int on = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        status = error_set_errno(err, "cannot listen on %s", where);
    else
        status = describe(fd, ret_socket, err);
    if (status != OK && fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return status;
}
