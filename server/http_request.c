#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "server/http_private.h"
#include "server/log.h"
#include "server/multipart.h"
#include "server/problem.h"

/* ---- A request, for handlers --------------------------------------------------------------------- */

const char *request_param(const struct request *request, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < request->params.count; i++)
        if (strncmp(request->params.names[i], name, length) == 0 && request->params.names[i][length] == '}')
            return request->params.values[i];
    return NULL;
}

const char *request_query(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

enum http_method request_method(const struct request *request)
{
    return request->method;
}

const char *request_path(const struct request *request)
{
    return request->path;
}

const char *request_media_type(const struct request *request)
{
    return request->media_type;
}

const uint8_t *request_body(const struct request *request, size_t *ret_size)
{
    *ret_size = request->body_size;
    return request->body;
}

bool request_server_stops(const struct request *request)
{
    pthread_mutex_lock(&request->server->mutex);
    bool stops = request->server->draining;
    pthread_mutex_unlock(&request->server->mutex);
    return stops;
}

struct reply *request_reply(struct request *request)
{
    return &request->reply;
}

enum status request_form_part(struct request *request, const char *field, const uint8_t **ret_data,
                              size_t *ret_size, struct error *err)
{
    struct form_part *part = malloc(sizeof *part);
    if (!part)
        return error_set(err, ERR_MEMORY, "no memory for the form");
    enum status status = multipart_part(request->connection, request->body, request->body_size, field,
                                        &part->data, ret_size, err);
    if (status != OK) {
        free(part);
        return status;
    }
    part->next = request->parts;
    request->parts = part;
    *ret_data = part->data;
    return OK;
}

void request_set_context(struct request *request, void *context, void (*release)(void *context))
{
    request->context = context;
    request->release = release;
}

void *request_context(const struct request *request)
{
    return request->context;
}

/* ---- Answering later ------------------------------------------------------------------------------ */

void server_count(struct http_server *server, size_t *counter, ptrdiff_t change)
{
    pthread_mutex_lock(&server->mutex);
    *counter += (size_t)change;
    if (*counter == 0)
        pthread_cond_broadcast(&server->eased);
    pthread_mutex_unlock(&server->mutex);
}

void request_suspend(struct request *request, handler *resume_with)
{
    request->resume_with = resume_with;
    *request->parked = true;
    if (request->suspended)
        return;
    request->suspended = true;
    MHD_suspend_connection(request->connection);
}

void request_resume(struct request *request)
{
    MHD_resume_connection(request->connection);
}

/* libmicrohttpd does not look at suspended connections, but neither does it close them. */
bool request_client_left(const struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd socket = {.fd = info->connect_fd, .events = POLLRDHUP};
    return poll(&socket, 1, 0) == 1;
}

/* Once parked, the request must not be touched here any more: that is why the flag is on this stack. */
bool request_run(struct request *request, handler *handle, enum lane lane)
{
    bool parked = false;
    char id[REQUEST_ID_SIZE];
    request->parked = &parked;
    memcpy(id, request->id, sizeof id);
    log_set_request(id);
    if (lane == LANE_WORKER)
        request_move_to_worker(request, handle);
    else
        handle(request->server->app, request);
    log_set_request(NULL);
    return parked;
}

static void worker_run(struct work *work)
{
    struct request *request = (struct request *)work;
    if (!request_run(request, request->run_on_worker, LANE_EVENT))
        request_resume(request);
}

void request_move_to_worker(struct request *request, handler *handle)
{
    request->run_on_worker = handle;
    request->work.run = worker_run;
    request_suspend(request, NULL);
    if (workers_push(request->server->workers, &request->work))
        return;
    reply_header(request, "Retry-After", "1");
    reply_problem(request, PROBLEM_OVERLOADED, "Too many requests are waiting for a worker.");
    request_resume(request);
}

void request_handling_ends(struct request *request)
{
    if (!request->handling)
        return;
    request->handling = false;
    server_count(request->server, &request->server->handling, -1);
}

/* Also of a request whose client left while it was suspended: libmicrohttpd then ends it without another word. */
void request_free(struct request *request)
{
    struct http_server *server = request->server;
    request_handling_ends(request);
    if (request->release)
        request->release(request->context);
    for (struct form_part *part = request->parts, *next; part; part = next) {
        next = part->next;
        free(part->data);
        free(part);
    }
    reply_clear(&request->reply);
    free(request->body);
    if (request->body_capacity)
        server_count(server, &server->body_memory, -(ptrdiff_t)request->body_capacity);
    if (request->counted)
        server_count(server, &server->under_way, -1);
    free(request);
}
