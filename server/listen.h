/* The listening socket: from "127.0.0.1:8080" or "[::1]:0" to a descriptor that accepts. Any thread. */
#ifndef DIGITD_LISTEN_H
#define DIGITD_LISTEN_H

#include "engine/engine.h"

struct listen_socket {
    int fd;           /* owned by the caller */
    char address[64]; /* "127.0.0.1", "::1" */
    char url[96];     /* "http://127.0.0.1:8080", with the port in use */
    bool loopback;
};

/* Binds and listens; port 0 takes a free one. ERR_ARGUMENT: `where` is not a numeric address and port.
 * ERR_IO: the system refuses, for instance because the port is taken. */
MUST_CHECK enum status listen_open(const char *where, struct listen_socket *ret_socket, struct error *err);

#endif
