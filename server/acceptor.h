/* The thread that accepts connections and gives them away.
 *
 * libmicrohttpd can accept by itself, but its MHD_quiesce_daemon races with its own threads (0.9.75: both remove the
 * listening socket from epoll, and the second to come aborts). Here the end is in order: what the kernel has
 * accepted is still taken, then the listening socket is closed. */
#ifndef DIGITD_ACCEPTOR_H
#define DIGITD_ACCEPTOR_H

#include <sys/socket.h>

#include "engine/engine.h"

/* Takes the connected, non-blocking socket. Runs on the acceptor's thread. */
typedef void acceptor_give(void *context, int fd, const struct sockaddr *address, socklen_t size);

struct acceptor;

/* Takes `listening` on success. */
MUST_CHECK enum status acceptor_create(int listening, acceptor_give *give, void *context,
                                       struct acceptor **ret_acceptor, struct error *err);

/* Accepts what waits, closes the listening socket and frees all. NULL is allowed. */
void acceptor_stop(struct acceptor *acceptor);

#endif
