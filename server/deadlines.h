/* Deadlines of connections. libmicrohttpd's own timeout is one of idleness, which a byte a second outlives; here
 * every phase of a request has a limit, and a reaper shuts down the sockets that are past theirs. When a crowd of
 * connections has left, it also gives the process's free memory back to the system.
 *
 * Threads: any. One mutex guards all; it is held by the reaper for a walk when a deadline comes and once a second, and
 * otherwise for a few instructions. deadline_remove must come before the socket is closed: then the reaper never touches a
 * descriptor that has become another's. */
#ifndef DIGITD_DEADLINES_H
#define DIGITD_DEADLINES_H

#include "engine/engine.h"

enum deadline_phase {
    DEADLINE_OPENED,  /* before the first request line */
    DEADLINE_IDLE,    /* between requests */
    DEADLINE_HEADERS, /* before the end of the headers; of the first request, from the opening */
    DEADLINE_BODY,    /* before the end of the body */
    DEADLINE_REPLY,   /* at work on it, or sending */
    DEADLINE_COUNT,
};

struct deadlines;
struct deadline; /* of one connection */

/* `seconds` by phase. A request that comes too slowly is answered with 408; in the other phases the connection is
 * just closed. */
MUST_CHECK enum status deadlines_create(const int seconds[DEADLINE_COUNT], struct deadlines **ret_deadlines,
                                        struct error *err);
void deadlines_free(struct deadlines *deadlines); /* after every deadline was removed */

/* A connection was opened on `fd`. NULL without memory. */
struct deadline *deadline_add(struct deadlines *deadlines, int fd);
void deadline_remove(struct deadline *deadline);

/* The connection's present phase begins; the headers of a connection's first request count from its opening. False when the reaper has ended the connection already: then nothing
 * must be sent any more. */
bool deadline_enter(struct deadline *deadline, enum deadline_phase phase);

#endif
