/* Admission: what is checked of a request before its handler runs, and the reading of its body. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/access.h"
#include "server/app.h"
#include "server/http_private.h"
#include "server/input.h"
#include "server/problem.h"

/* So much of a body that was refused is read and dropped, so that the client gets to read why. */
#define DRAIN_MAX ((size_t)8 << 20)

/* A body's buffer starts at its length or this, whichever is less: claiming a length pins no memory. */
#define BODY_FIRST ((size_t)64 << 10)

static const struct {
    const char *name;
    enum http_method method;
} methods[] = {{"GET", HTTP_GET}, {"HEAD", HTTP_HEAD},     {"POST", HTTP_POST},
               {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS}};

#define METHOD_COUNT (sizeof methods / sizeof *methods)

static enum http_method method_from_name(const char *name)
{
    for (size_t i = 0; i < METHOD_COUNT; i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    return HTTP_OTHER;
}

/* ---- Checks: each writes a reply when it refuses ------------------------------------------------------ */

static enum MHD_Result note_header(void *context, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    (void)kind;
    guard_note(context, name, value ? value : "");
    return MHD_YES;
}

struct query_check {
    struct request *request;
    uint32_t seen; /* bit by index in the route's list */
};

static enum MHD_Result check_parameter(void *context, enum MHD_ValueKind kind, const char *name,
                                       const char *value)
{
    (void)kind;
    struct query_check *check = context;
    const char *const *known = check->request->route->query;
    size_t index = 0;
    while (index < ROUTE_QUERY_MAX && known[index] && strcmp(known[index], name) != 0)
        index++;
    const char *fault = NULL;
    if (index == ROUTE_QUERY_MAX || !known[index])
        fault = "unknown query parameter";
    else if (check->seen & 1u << index)
        fault = "given more than once";
    else if (!value)
        fault = "has no value";
    check->seen |= 1u << index;
    if (!fault)
        return MHD_YES;
    char pointer[sizeof((struct error *)0)->pointer];
    snprintf(pointer, sizeof pointer, "?%s", name);
    struct problems problems = {0};
    problems_add(&problems, ERR_ARGUMENT, pointer, "%s", fault);
    reply_problems(check->request, PROBLEM_MALFORMED, &problems);
    return MHD_NO;
}

static void check_query(struct request *request)
{
    struct query_check check = {.request = request};
    if (!request->route->any_query)
        MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_parameter, &check);
}

static void find_route(struct request *request)
{
    char allow[ROUTE_ALLOW_SIZE];
    request->route = routes_find(request->method, request->path, &request->params, allow);
    if (request->route)
        return;
    if (!*allow) {
        reply_problem(request, PROBLEM_NOT_FOUND, "There is nothing at %s.", request->path);
        return;
    }
    reply_header(request, "Allow", "%s", allow);
    if (request->method == HTTP_OPTIONS)
        reply_empty(request, 204);
    else
        reply_problem(request, PROBLEM_METHOD_NOT_ALLOWED, "%s allows only %s.", request->path, allow);
}

/* Lower case, without parameters. */
static void read_media_type(struct request *request)
{
    const char *text = request_header(request, "Content-Type");
    size_t length = text ? strcspn(text, "; \t") : 0;
    if (length >= sizeof request->media_type)
        length = sizeof request->media_type - 1;
    for (size_t i = 0; i < length; i++)
        request->media_type[i] = (char)tolower((unsigned char)text[i]);
}

static void check_media_type(struct request *request)
{
    const char *const *types = request->route->media_types;
    char known[128] = "";
    size_t length = 0;
    read_media_type(request);
    if (request->route->any_media_type)
        return;
    for (size_t i = 0; i < ROUTE_TYPES_MAX && types[i]; i++) {
        if (strcmp(types[i], request->media_type) == 0)
            return;
        length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", types[i]);
    }
    if (types[0])
        reply_problem(request, PROBLEM_MEDIA_TYPE, "Content-Type is \"%s\"; this takes %s.",
                      request->media_type, known);
}

static void refuse_size(struct request *request)
{
    size_t max = request->route->body_max;
    if (max)
        reply_problem(request, PROBLEM_TOO_LARGE, "The body may have at most %zu bytes.", max);
    else
        reply_problem(request, PROBLEM_TOO_LARGE, "This takes no body.");
}

static void check_body(struct request *request)
{
    const char *encoding = request_header(request, "Content-Encoding");
    if (request->body_length > request->route->body_max && request->body_length != BODY_LENGTH_UNKNOWN)
        refuse_size(request);
    else if (encoding && strcasecmp(encoding, "identity") != 0)
        reply_problem(request, PROBLEM_MEDIA_TYPE,
                      "Content-Encoding \"%s\" is not understood; send it plain.", encoding);
    else
        check_media_type(request);
}

static bool is_write(enum http_method method)
{
    return method != HTTP_GET && method != HTTP_HEAD && method != HTTP_OPTIONS;
}

static unsigned scopes_of(const struct request *request)
{
    const struct route *route = request->route;
    if (!route)
        return SCOPE_READ | SCOPE_PREDICT | SCOPE_WRITE;
    if (route->scopes)
        return route->scopes;
    return is_write(request->method) ? SCOPE_WRITE : SCOPE_READ;
}

/* A browser asks its user for the key, as a password, and sends it along from then on. */
static void refuse_key(struct request *request, enum access_answer answer)
{
    request->reply.header_count = 0; /* of a reply that this one replaces */
    if (answer == ACCESS_SCOPE) {
        reply_header(request, "WWW-Authenticate", "Bearer realm=\"digitd\", error=\"insufficient_scope\"");
        reply_problem(request, PROBLEM_FORBIDDEN, "The API key \"%s\" has not the scope that this needs.",
                      request->key_name);
        return;
    }
    bool given = request_header(request, "Authorization");
    reply_header(request, "WWW-Authenticate", "Bearer realm=\"digitd\"%s",
                 given ? ", error=\"invalid_token\"" : "");
    reply_header(request, "WWW-Authenticate", "Basic realm=\"digitd\", charset=\"UTF-8\"");
    reply_problem(request, PROBLEM_UNAUTHORIZED, "%s",
                  given ? "The API key is not known here."
                        : "An API key is needed: Authorization: Bearer KEY, or as the password of Basic.");
}

/* Comes after the search for a route, whose findings an unknown client does not get to see. */
static void check_access(struct request *request)
{
    struct access *access = request->server->app->access;
    if (!access || (request->route && request->route->open))
        return;
    enum access_answer answer =
        access_check(access, request_header(request, "Authorization"), scopes_of(request), request->key_name);
    if (answer != ACCESS_GRANTED)
        refuse_key(request, answer);
}

static void check_headers(struct request *request, const struct guard_headers *headers)
{
    if (request->has_nul)
        reply_problem(request, PROBLEM_MALFORMED, "The address contains %%00.");
    else if (!guard_host(request->server->guard, headers->host))
        reply_problem(request, PROBLEM_HOST_REFUSED, "Host \"%s\" is not served here; --allow-host adds it.",
                      headers->host);
    else if (is_write(request->method) && !guard_origin(headers))
        reply_problem(request, PROBLEM_ORIGIN_REFUSED, "A page of another site may not ask for this.");
    if (!request->reply.status) {
        find_route(request);
        check_access(request);
    }
    if (!request->reply.status)
        check_query(request);
    if (!request->reply.status && request->body_length > 0)
        check_body(request);
}

/* ---- Admission ---------------------------------------------------------------------------------------- */

/* libmicrohttpd has refused lengths that are no numbers. */
static uint64_t read_body_length(const struct request *request, const struct guard_headers *headers)
{
    const char *length = request_header(request, "Content-Length");
    if (headers->transfer_encodings)
        return BODY_LENGTH_UNKNOWN;
    return length ? strtoull(length, NULL, 10) : 0;
}

static bool expects_continue(const struct request *request)
{
    const char *expect = request_header(request, "Expect");
    return expect && strcasecmp(expect, "100-continue") == 0;
}

enum MHD_Result request_admit(struct request *request, const char *url, const char *method)
{
    struct guard_headers headers = {0};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, note_header, &headers);
    request->stage = STAGE_BODY;
    request->path = url;
    request->method_name = method;
    request->method = method_from_name(method);
    request->counted = true;
    request_id_choose(request_header(request, "X-Request-Id"), request->server->id,
                      atomic_fetch_add(&request->server->requests, 1), request->id);
    server_count(request->server, &request->server->under_way, 1);

    const char *unsound = guard_framing(&headers);
    if (unsound) {
        /* Where this request ends is unclear: answering before the body ends the connection. */
        reply_problem(request, PROBLEM_MALFORMED, "%s", unsound);
        return request_send(request);
    }
    request->body_length = read_body_length(request, &headers);
    if (!deadline_enter(request->deadline, request->body_length ? DEADLINE_BODY : DEADLINE_REPLY))
        return MHD_NO;
    check_headers(request, &headers);
    bool too_long_to_drain = request->body_length > DRAIN_MAX && request->body_length != BODY_LENGTH_UNKNOWN;
    if (request->reply.status && request->body_length && (too_long_to_drain || expects_continue(request)))
        return request_send(request);
    return MHD_YES;
}

/* ---- Body --------------------------------------------------------------------------------------------- */

static bool server_reserve(struct http_server *server, size_t bytes)
{
    pthread_mutex_lock(&server->mutex);
    bool room = bytes <= server->body_memory_max - server->body_memory;
    if (room)
        server->body_memory += bytes;
    pthread_mutex_unlock(&server->mutex);
    return room;
}

/* Makes room for `size` more bytes, which the route's cap allows; false without memory. */
static bool body_grow(struct request *request, size_t size)
{
    size_t needed = request->body_size + size, capacity = request->body_capacity;
    if (needed <= capacity)
        return true;
    if (capacity == 0)
        capacity = request->body_length < BODY_FIRST ? (size_t)request->body_length : BODY_FIRST;
    while (capacity < needed)
        capacity *= 2;
    if (!server_reserve(request->server, capacity - request->body_capacity))
        return false;
    uint8_t *body = realloc(request->body, capacity);
    if (!body) {
        server_count(request->server, &request->server->body_memory,
                     -(ptrdiff_t)(capacity - request->body_capacity));
        return false;
    }
    request->body = body;
    request->body_capacity = capacity;
    return true;
}

enum MHD_Result request_receive(struct request *request, const char *data, size_t size)
{
    if (request->reply.status) {
        request->drained += size;
        return request->drained <= DRAIN_MAX ? MHD_YES : MHD_NO;
    }
    if (size > request->route->body_max - request->body_size) {
        refuse_size(request);
    } else if (!body_grow(request, size)) {
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for the body at the moment.");
    } else {
        memcpy(request->body + request->body_size, data, size);
        request->body_size += size;
    }
    return MHD_YES;
}
