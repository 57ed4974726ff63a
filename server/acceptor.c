#include "server/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/log.h"

/* Without descriptors or memory for another connection, it waits so long for some to be freed. */
#define SHORTAGE_MS 100

struct acceptor {
    pthread_t thread;
    int listening, stop; /* `stop` is an eventfd, readable when it shall end */
    acceptor_give *give;
    void *context;
};

/* Accepts what waits; false when the system had not the means to. */
static bool accept_all(const struct acceptor *acceptor)
{
    for (;;) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd =
            accept4(acceptor->listening, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            acceptor->give(acceptor->context, fd, (struct sockaddr *)&address, size);
        else if (errno == EAGAIN)
            return true;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            return false;
        /* Any other error is one of the connection, which is gone: accept(2). */
    }
}

static void *acceptor_main(void *argument)
{
    const struct acceptor *acceptor = argument;
    struct pollfd waiting[] = {{.fd = acceptor->stop, .events = POLLIN},
                               {.fd = acceptor->listening, .events = POLLIN}};
    bool short_of = false;
    while (waiting[0].revents == 0) {
        poll(waiting, short_of ? 1 : 2, short_of ? SHORTAGE_MS : -1);
        bool enough = accept_all(acceptor);
        if (!enough && !short_of)
            log_warning("no descriptors or memory for more connections at the moment");
        short_of = !enough;
    }
    close(acceptor->listening); /* here, at once: connections that the kernel takes until then are reset */
    return NULL;
}

enum status acceptor_create(int listening, acceptor_give *give, void *context, struct acceptor **ret_acceptor,
                            struct error *err)
{
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    if (!acceptor)
        return error_set(err, ERR_MEMORY, "no memory to accept connections");
    *acceptor = (struct acceptor){.listening = listening, .give = give, .context = context};
    acceptor->stop = eventfd(0, EFD_CLOEXEC);
    if (acceptor->stop >= 0 && pthread_create(&acceptor->thread, NULL, acceptor_main, acceptor) == 0) {
        *ret_acceptor = acceptor;
        return OK;
    }
    if (acceptor->stop >= 0)
        close(acceptor->stop);
    free(acceptor);
    return error_set(err, ERR_MEMORY, "cannot start the thread that accepts connections");
}

void acceptor_stop(struct acceptor *acceptor)
{
    if (!acceptor)
        return;
    eventfd_write(acceptor->stop, 1);
    pthread_join(acceptor->thread, NULL);
    close(acceptor->stop);
    free(acceptor);
}
