#include "server/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/acceptor.h"
#include "server/app.h"
#include "server/clock.h"
#include "server/http_private.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/problem.h"

/* Per connection: request line, headers, and what is read of the body at a time. */
#define CONNECTION_MEMORY ((size_t)16 << 10)
#define WORKER_QUEUE_MAX  256

/* A client may have sent its next request just before it reads "Connection: close". */
#define DRAIN_QUIET_MS 100

/* On every reply. The page loads nothing from elsewhere, runs no inline code and sits in no frame. */
static const struct {
    const char *name, *value;
} security_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *const access_log_names[] = {
    [ACCESS_LOG_OFF] = "off", [ACCESS_LOG_ERRORS] = "errors", [ACCESS_LOG_ALL] = "all", NULL};

/* ---- Sending -------------------------------------------------------------------------------------- */

/* Moves what the reply owns into the response. */
static struct MHD_Response *response_create(struct reply *reply)
{
    struct MHD_Response *response = NULL;
    switch (reply->source) {
    case REPLY_FROM_MEMORY:
        response = MHD_create_response_from_buffer(reply->size, reply->memory, MHD_RESPMEM_MUST_FREE);
        if (response)
            reply->memory = NULL;
        break;
    case REPLY_FROM_FILE:
        response = MHD_create_response_from_fd64(reply->size, reply->file);
        if (response)
            reply->source = REPLY_FROM_NOTHING;
        break;
    case REPLY_FROM_STATIC:
    case REPLY_FROM_NOTHING:
        response = MHD_create_response_from_buffer(reply->size, (void *)reply->fixed, MHD_RESPMEM_PERSISTENT);
        break;
    }
    return response;
}

static void response_add_headers(struct MHD_Response *response, const struct reply *reply, const char *id,
                                 bool close)
{
    bool has_cache_control = false;
    for (size_t i = 0; i < reply->header_count; i++) {
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
        has_cache_control |= strcmp(reply->headers[i].name, "Cache-Control") == 0;
    }
    for (size_t i = 0; i < COUNT(security_headers); i++)
        MHD_add_response_header(response, security_headers[i].name, security_headers[i].value);
    if (!has_cache_control)
        MHD_add_response_header(response, "Cache-Control", "no-store");
    if (reply->media_type)
        MHD_add_response_header(response, "Content-Type", reply->media_type);
    MHD_add_response_header(response, "X-Request-Id", id);
    if (close)
        MHD_add_response_header(response, "Connection", "close");
}

/* The head of a reply that ends with its connection. */
static char *write_head(const struct reply *reply, const char *media_type)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: %s\r\n",
            media_type);
    for (size_t i = 0; i < reply->header_count; i++)
        fprintf(out, "%s: %s\r\n", reply->headers[i].name, reply->headers[i].value);
    for (size_t i = 0; i < COUNT(security_headers); i++)
        fprintf(out, "%s: %s\r\n", security_headers[i].name, security_headers[i].value);
    fputs("\r\n", out);
    bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}

/* libmicrohttpd closes its descriptor of the socket, and with MHD_USE_TURBO does not shut the connection down. */
int request_detach(struct request *request, const char *media_type, char **ret_head)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    char *head = write_head(&request->reply, media_type);
    int fd = head ? fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (fd < 0) {
        free(head);
        return -1;
    }
    request->detached = true;
    request->reply.status = 200;
    *ret_head = head;
    return fd;
}

enum MHD_Result request_send(struct request *request)
{
    struct reply *reply = &request->reply;
    if (request->detached)
        return MHD_NO;
    if (reply->status == 0) {
        log_error("%s: the handler wrote no reply", request->path);
        reply_problem(request, PROBLEM_INTERNAL, "The server has no answer to this.");
    }
    struct MHD_Response *response = response_create(reply);
    if (!response)
        return MHD_NO;
    response_add_headers(response, reply, request->id, request_server_stops(request));
    enum MHD_Result result = MHD_queue_response(request->connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- libmicrohttpd's callbacks ---------------------------------------------------------------------- */

static void on_connection(void *context, struct MHD_Connection *connection, void **deadline,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        deadline_remove(*deadline);
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *deadline = deadline_add(server->deadlines, info->connect_fd);
}

/* NULL without memory: on_request then ends the connection. */
static void *on_request_line(void *context, const char *line, struct MHD_Connection *connection)
{
    struct deadline *deadline =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct request *request = deadline ? calloc(1, sizeof *request) : NULL;
    if (!request)
        return NULL;
    request->server = context;
    request->connection = connection;
    request->deadline = deadline;
    request->since = clock_seconds();
    request->has_nul = line && strstr(line, "%00");
    deadline_enter(deadline, DEADLINE_HEADERS);
    return request;
}

static bool handling_begins(struct request *request)
{
    struct http_server *server = request->server;
    pthread_mutex_lock(&server->mutex);
    request->handling = !server->stopping;
    server->handling += request->handling;
    pthread_mutex_unlock(&server->mutex);
    return request->handling;
}

static enum MHD_Result request_finish(struct request *request)
{
    enum MHD_Result result = request_send(request);
    request_handling_ends(request);
    return result;
}

/* The body is complete. */
static enum MHD_Result request_handle(struct request *request)
{
    request->stage = STAGE_HANDLED;
    if (!deadline_enter(request->deadline, DEADLINE_REPLY) || !handling_begins(request))
        return MHD_NO;
    if (!request->reply.status && request_run(request, request->route->handle, request->route->lane))
        return MHD_YES;
    return request_finish(request);
}

/* request_resume was called. */
static enum MHD_Result request_continue(struct request *request)
{
    handler *resume_with = request->resume_with;
    request->suspended = false;
    if (resume_with && request_run(request, resume_with, LANE_EVENT))
        return MHD_YES;
    return request_finish(request);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **request_pointer)
{
    (void)context, (void)connection, (void)version;
    struct request *request = *request_pointer;
    if (!request)
        return MHD_NO;
    if (request->stage == STAGE_HEADERS)
        return request_admit(request, url, method);
    if (request->stage == STAGE_HANDLED)
        return request_continue(request);
    if (*size == 0)
        return request_handle(request);
    enum MHD_Result result = request_receive(request, data, *size);
    *size = 0;
    return result;
}

/* As a label: of all methods that a client may think up, one. */
static const char *method_label(enum http_method method)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET",       [HTTP_HEAD] = "HEAD",       [HTTP_POST] = "POST",  [HTTP_PUT] = "PUT",
        [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS", [HTTP_OTHER] = "other"};
    return names[method];
}

/* Probes, scrapes and the page's files would drown what else is in the log. */
static enum log_level level_of(const struct request *request)
{
    const struct route *route = request->route;
    bool failed = request->reply.status >= 400;
    if (request->reply.status >= 500)
        return LOG_WARNING;
    if (request->server->access_log == ACCESS_LOG_OFF ||
        (request->server->access_log == ACCESS_LOG_ERRORS && !failed))
        return LOG_DEBUG;
    return !failed && route && (route->open || route->quiet) ? LOG_DEBUG : LOG_INFO;
}

static void format_client(const struct request *request, char *ret_text, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    bool v6 = address && address->sa_family == AF_INET6;
    ret_text[0] = '\0';
    if (v6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, ret_text,
                  (socklen_t)size);
    else if (address)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, ret_text,
                  (socklen_t)size);
}

/* The request is over: counts and logs it. */
static void record_request(const struct request *request)
{
    char trace[TRACE_ID_SIZE], span[SPAN_ID_SIZE], client[INET6_ADDRSTRLEN];
    double seconds = clock_seconds() - request->since;
    enum log_level level = level_of(request);
    metrics_request(request->server->app->metrics, method_label(request->method),
                    request->route ? request->route->pattern : "", request->reply.status, seconds);
    if (!log_is_on(level))
        return;
    trace_parse(request_header(request, "traceparent"), trace, span);
    format_client(request, client, sizeof client);
    log_request(level, &(struct log_request){.method = request->method_name,
                                             .path = request->path,
                                             .status = request->reply.status,
                                             .seconds = seconds,
                                             .id = request->id,
                                             .trace = trace,
                                             .span = span,
                                             .client = client,
                                             .key = request->key_name});
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_pointer,
                         enum MHD_RequestTerminationCode code)
{
    (void)context, (void)connection, (void)code;
    struct request *request = *request_pointer;
    *request_pointer = NULL;
    if (!request)
        return;
    if (request->path)
        record_request(request);
    deadline_enter(request->deadline, DEADLINE_IDLE);
    request_free(request);
}

static void on_log(void *context, const char *format, va_list arguments)
{
    (void)context;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_debug("libmicrohttpd: %s", text);
}

/* ---- The server --------------------------------------------------------------------------------------- */

/* Each daemon is one thread with an epoll set of its own; the limits are shared out among them. */
static struct MHD_Daemon *daemon_start(struct http_server *server, const struct http_config *config)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |
                     MHD_USE_ERROR_LOG | MHD_USE_TURBO; /* without it request_detach would not do */
    unsigned threads = (unsigned)config->threads;
    unsigned connections = ((unsigned)config->connections_max + threads - 1) / threads;
    unsigned per_address = ((unsigned)config->connections_per_address_max + threads - 1) / threads;
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, server,                      //
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,                      //
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,         //
                            MHD_OPTION_CONNECTION_LIMIT, connections,                      //
                            MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_address,               //
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)config->idle_seconds, //
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,           //
                            MHD_OPTION_URI_LOG_CALLBACK, on_request_line, server,          //
                            MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,             //
                            MHD_OPTION_END);
}

static enum status daemons_start(struct http_server *server, const struct http_config *config,
                                 struct error *err)
{
    for (; server->daemon_count < config->threads; server->daemon_count++) {
        struct MHD_Daemon *daemon = daemon_start(server, config);
        if (!daemon)
            return error_set(err, ERR_MEMORY, "cannot start %d HTTP threads", config->threads);
        server->daemons[server->daemon_count] = daemon;
    }
    return OK;
}

/* Connections go to the event threads in turn. */
static void give_connection(void *context, int fd, const struct sockaddr *address, socklen_t size)
{
    struct http_server *server = context;
    struct MHD_Daemon *daemon = server->daemons[server->next_daemon];
    server->next_daemon = (server->next_daemon + 1) % server->daemon_count;
    if (MHD_add_connection(daemon, fd, address, size) != MHD_YES)
        log_debug("a connection was refused: too many, or no memory");
}

/* The acceptor takes the listening socket. */
static enum status accept_start(struct http_server *server, struct error *err)
{
    enum status status = acceptor_create(server->socket.fd, give_connection, server, &server->acceptor, err);
    if (status == OK)
        server->socket.fd = -1;
    return status;
}

static enum status server_open(struct http_server *server, const struct http_config *config,
                               struct error *err)
{
    const int seconds[DEADLINE_COUNT] = {[DEADLINE_OPENED] = config->header_seconds,
                                         [DEADLINE_IDLE] = config->idle_seconds,
                                         [DEADLINE_HEADERS] = config->header_seconds,
                                         [DEADLINE_BODY] = config->body_seconds,
                                         [DEADLINE_REPLY] = config->reply_seconds};
    enum status status = listen_open(config->listen, &server->socket, err);
    if (status != OK)
        return status;
    if (!server->socket.loopback && !config->beyond_loopback)
        return error_set(
            err, ERR_ARGUMENT,
            "%s can be reached by others: --api-key-file says who may do what, --no-auth lets everyone",
            config->listen);
    status = guard_create(server->socket.address, config->allow_hosts, config->allow_host_count,
                          &server->guard, err);
    if (status == OK)
        status = deadlines_create(seconds, &server->deadlines, err);
    if (status == OK)
        status = workers_create(config->workers, WORKER_QUEUE_MAX, &server->workers, err);
    if (status == OK)
        status = daemons_start(server, config, err);
    if (status == OK)
        status = accept_start(server, err);
    return status;
}

enum status http_server_create(const struct http_config *config, struct app *app,
                               struct http_server **ret_server, struct error *err)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (!server)
        return error_set(err, ERR_MEMORY, "no memory for the HTTP server");
    server->app = app;
    server->socket.fd = -1;
    server->body_memory_max = config->body_memory_max;
    server->access_log = config->access_log;
    if (getentropy(&server->id, sizeof server->id) != 0)
        server->id = (uint64_t)clock_wall_ms();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->eased, &monotonic);
    pthread_condattr_destroy(&monotonic);
    enum status status = server_open(server, config, err);
    if (status != OK)
        http_server_free(server);
    else
        *ret_server = server;
    return status;
}

const char *http_server_url(const struct http_server *server)
{
    return server->socket.url;
}

static struct timespec time_in(int64_t ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    int64_t ns = time.tv_nsec + ms % 1000 * 1000000;
    time.tv_sec += ms / 1000 + ns / 1000000000;
    time.tv_nsec = ns % 1000000000;
    return time;
}

/* Waits until nothing has been under way for DRAIN_QUIET_MS, or `seconds` are over. Returns what still is. */
static size_t wait_for_quiet(struct http_server *server, int seconds)
{
    struct timespec end = time_in(1000 * (int64_t)seconds);
    bool quiet = false, late = false;
    pthread_mutex_lock(&server->mutex);
    while (!quiet && !late) {
        if (server->under_way) {
            late = pthread_cond_timedwait(&server->eased, &server->mutex, &end) == ETIMEDOUT;
        } else {
            struct timespec soon = time_in(DRAIN_QUIET_MS);
            quiet = pthread_cond_timedwait(&server->eased, &server->mutex, &soon) == ETIMEDOUT;
        }
    }
    size_t left = server->under_way;
    pthread_mutex_unlock(&server->mutex);
    return left;
}

size_t http_server_drain(struct http_server *server, int seconds)
{
    pthread_mutex_lock(&server->mutex);
    server->draining = true;
    pthread_mutex_unlock(&server->mutex);
    acceptor_stop(server->acceptor);
    server->acceptor = NULL;
    return wait_for_quiet(server, seconds);
}

/* libmicrohttpd aborts when it is stopped while a connection is suspended: no request is handled from here on,
 * and those that are get their end. */
static void daemons_stop(struct http_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    while (server->handling)
        pthread_cond_wait(&server->eased, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
    for (int i = 0; i < server->daemon_count; i++)
        MHD_stop_daemon(server->daemons[i]);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    acceptor_stop(server->acceptor);
    daemons_stop(server);
    workers_free(server->workers);
    deadlines_free(server->deadlines);
    guard_free(server->guard);
    if (server->socket.fd >= 0)
        close(server->socket.fd);
    pthread_cond_destroy(&server->eased);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}
