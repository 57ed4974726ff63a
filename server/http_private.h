/* What the http*.c files share: http.c runs the server and sends,
 * http_admit.c decides about headers and bodies, http_request.c is the request as handlers see it. */
#ifndef DIGITD_HTTP_PRIVATE_H
#define DIGITD_HTTP_PRIVATE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/deadlines.h"
#include "server/http.h"
#include "server/http_guard.h"
#include "server/listen.h"
#include "server/names.h"
#include "server/reply.h"
#include "server/routes.h"
#include "server/trace.h"
#include "server/workers.h"

struct acceptor;

struct http_server {
    struct app *app;
    struct guard *guard;
    struct deadlines *deadlines;
    struct workers *workers;
    struct listen_socket socket;
    struct acceptor *acceptor; /* NULL: none, or stopped */
    int daemon_count;          /* each is one event thread */
    struct MHD_Daemon *daemons[HTTP_THREADS_MAX];
    int next_daemon; /* that gets a connection; the acceptor's own */
    size_t body_memory_max;
    enum access_log access_log;
    uint64_t id; /* random; begins the ids of requests */
    atomic_uint_least64_t requests;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t eased;  /* a counter became 0 */
    size_t under_way;      /* requests whose headers are complete */
    size_t handling;       /* those of them that are between their body's end and their reply */
    size_t body_memory;    /* bytes of all bodies */
    bool draining;         /* replies end their connection */
    bool stopping;         /* no request is handled any more */
};

#define BODY_LENGTH_UNKNOWN UINT64_MAX

enum stage {
    STAGE_HEADERS, /* the request line is there */
    STAGE_BODY,    /* the headers are, and were checked */
    STAGE_HANDLED, /* the handler ran, or runs elsewhere */
};

struct request {
    struct work work; /* first: a worker gets the request by it */
    struct http_server *server;
    struct MHD_Connection *connection;
    struct deadline *deadline;
    enum stage stage;
    bool counted;  /* in the server's under_way */
    bool handling; /* counted in the server's handling */
    double since;  /* clock_seconds() at the request line */

    enum http_method method;
    const char *method_name, *path; /* libmicrohttpd's, valid as long as the request */
    bool has_nul;                   /* an encoded NUL in the request line, behind which the path is cut off */
    char id[REQUEST_ID_SIZE];
    char key_name[NAME_MAX_LENGTH + 1]; /* of the API key, or "" */
    const struct route *route;
    struct route_params params;
    char media_type[64];

    uint64_t body_length; /* as announced, or BODY_LENGTH_UNKNOWN */
    uint8_t *body;
    size_t body_size, body_capacity;
    size_t drained; /* bytes of a refused body */
    struct form_part *parts;

    void *context;
    void (*release)(void *context);
    handler *run_on_worker, *resume_with;
    bool suspended; /* as libmicrohttpd has it */
    bool detached;  /* somebody else answers on its connection */
    bool *parked;   /* set by request_suspend for whoever runs the handler */
    struct reply reply;
};

struct form_part {
    struct form_part *next;
    uint8_t *data;
};

/* Adds to one of the server's counters under its mutex. */
void server_count(struct http_server *server, size_t *counter, ptrdiff_t change);

/* Runs the handler, on a worker if that is its lane; true when the request was left to another thread. */
bool request_run(struct request *request, handler *handle, enum lane lane);

/* The headers are complete: refuses the request, by writing a reply, or makes it ready for its body. */
enum MHD_Result request_admit(struct request *request, const char *url, const char *method);

/* A piece of the body. MHD_NO: the connection must end. */
enum MHD_Result request_receive(struct request *request, const char *data, size_t size);

/* Queues the reply. */
enum MHD_Result request_send(struct request *request);

/* The request is not in hand any more: it has its reply, or its client left before that. */
void request_handling_ends(struct request *request);

void request_free(struct request *request);

#endif
