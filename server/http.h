/* The HTTP server, and a request as handlers see it.
 *
 * The server accepts connections, guards framing, Host and Origin, holds every client to its deadlines, finds the
 * route (routes.h), reads the body up to the route's cap and calls the handler with the complete request. A handler
 * reads the request, calls one service and writes the reply with reply.h or problem.h. Only http*.c and
 * multipart.c know libmicrohttpd.
 *
 * Ownership: strings and bytes returned by request_* live as long as the request.
 * Threads: a request belongs to one thread at a time. A handler on LANE_EVENT runs on a thread that serves many
 * connections and must not block: no SQL, no file, no waiting. A handler on LANE_WORKER may. */
#ifndef DIGITD_HTTP_H
#define DIGITD_HTTP_H

#include "engine/engine.h"

struct app;
struct request;
struct reply;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

/* Answers one request. It must write a reply before it returns, unless it called request_suspend or
 * request_move_to_worker. */
typedef void handler(struct app *app, struct request *request);

/* ---- A request, for handlers --------------------------------------------------------------------- */

/* The value of {name} in the route's pattern, percent-decoded. The route must have it. */
const char *request_param(const struct request *request, const char *name);

/* A query parameter, percent-decoded; NULL when absent. Names that the route's table does not list, and names
 * given twice, were refused before the handler ran. */
const char *request_query(const struct request *request, const char *name);

/* A header's value; NULL when absent. */
const char *request_header(const struct request *request, const char *name);

enum http_method request_method(const struct request *request);
const char *request_path(const struct request *request); /* decoded, without the query */

/* Media type of the body without parameters, in lower case; "" without one. It is one that the route lists. */
const char *request_media_type(const struct request *request);

/* The whole body, 0 bytes when there is none. */
const uint8_t *request_body(const struct request *request, size_t *ret_size);

/* A part of a multipart/form-data body by field name, decoded into memory that lives as long as the request.
 * ERR_FORMAT: the body is not well-formed multipart. ERR_NOT_FOUND: no such part. */
MUST_CHECK enum status request_form_part(struct request *request, const char *field, const uint8_t **ret_data,
                                         size_t *ret_size, struct error *err);

/* Whether the server has stopped to accept connections. */
bool request_server_stops(const struct request *request);

/* Where reply.h and problem.h write the answer. */
struct reply *request_reply(struct request *request);

/* ---- Answering later ------------------------------------------------------------------------------ */

/* Something that lives as long as the request: `release(context)` is called when the request is over. */
void request_set_context(struct request *request, void *context, void (*release)(void *context));
void *request_context(const struct request *request);

/* Parks the request. The handler calls it before it hands the request to another thread, and touches the
 * request no more after the hand-over. `resume_with` is called on the event thread after request_resume, to
 * write the reply; with NULL the reply must be written before request_resume. */
void request_suspend(struct request *request, handler *resume_with);

/* Goes on with a request that was suspended. Any thread, once; the caller touches the request no more. */
void request_resume(struct request *request);

/* Whether the client of a suspended request has closed its connection. Any thread, until request_resume. */
bool request_client_left(const struct request *request);

/* Runs `handle` for this request on a thread that may block. Writes a 503 itself when too many wait. */
void request_move_to_worker(struct request *request, handler *handle);

/* Takes the connection away from the server: the socket, non-blocking, which the caller closes. `ret_head` is the
 * beginning of a reply 200 with `media_type` and with the headers of reply_header, on the heap; after it the caller writes
 * a body for as long as it wants, which ends with the connection. Returns -1 when there are no descriptors or no memory:
 * then nothing has happened. The handler writes no reply after that. */
int request_detach(struct request *request, const char *media_type, char **ret_head);

/* ---- The server ------------------------------------------------------------------------------------ */

#define HTTP_THREADS_MAX 64

/* Which requests are logged: none, those that failed, all. Probes and the page's files only with LOG_DEBUG. */
enum access_log { ACCESS_LOG_OFF, ACCESS_LOG_ERRORS, ACCESS_LOG_ALL };

/* NULL at the end; by enum access_log. */
extern const char *const access_log_names[];

struct http_config {
    const char *listen;             /* "127.0.0.1:8080", "[::1]:0"; port 0 takes a free one */
    const char *const *allow_hosts; /* accepted in Host besides loopback's names and the listen address */
    size_t allow_host_count;
    enum access_log access_log;
    bool beyond_loopback; /* may listen on an address that others can reach */
    int threads;          /* event threads, 1..HTTP_THREADS_MAX */
    int workers;          /* threads of LANE_WORKER, 1..64 */
    int connections_max, connections_per_address_max;
    int idle_seconds, header_seconds, body_seconds, reply_seconds; /* deadlines, 1..86400 */
    size_t body_memory_max;                                        /* of all bodies in memory at once */
};

struct http_server;

/* Starts to accept connections. `app` must outlive the server.
 * ERR_ARGUMENT: the listen address, or it is reachable for others and may not be. ERR_IO: it cannot be bound. */
MUST_CHECK enum status http_server_create(const struct http_config *config, struct app *app,
                                          struct http_server **ret_server, struct error *err);

/* "http://127.0.0.1:8080", with the port in use. */
const char *http_server_url(const struct http_server *server);

/* Stops accepting, lets requests under way finish for up to `seconds`, answering each with
 * Connection: close. Returns how many were cut off. */
size_t http_server_drain(struct http_server *server, int seconds);

void http_server_free(struct http_server *server);

#endif
