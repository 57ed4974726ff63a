#include "server/problem.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "server/http.h"
#include "server/log.h"
#include "server/reply.h"

#define DETAIL_SIZE 512

struct problem_kind {
    unsigned status;
    const char *slug, *title;
};

static const struct problem_kind kinds[PROBLEM_COUNT] = {
    [PROBLEM_MALFORMED] = {400, "malformed", "Malformed request"},
    [PROBLEM_UNAUTHORIZED] = {401, "unauthorized", "API key needed"},
    [PROBLEM_FORBIDDEN] = {403, "forbidden", "API key not allowed to do this"},
    [PROBLEM_HOST_REFUSED] = {403, "host-refused", "Host not allowed"},
    [PROBLEM_ORIGIN_REFUSED] = {403, "origin-refused", "Request from another site"},
    [PROBLEM_NOT_FOUND] = {404, "not-found", "Not found"},
    [PROBLEM_METHOD_NOT_ALLOWED] = {405, "method-not-allowed", "Method not allowed"},
    [PROBLEM_TIMEOUT] = {408, "timeout", "Request took too long"},
    [PROBLEM_CONFLICT] = {409, "conflict", "Not possible in the present state"},
    [PROBLEM_TOO_LARGE] = {413, "too-large", "Request too large"},
    [PROBLEM_MEDIA_TYPE] = {415, "media-type", "Unsupported media type"},
    [PROBLEM_INVALID] = {422, "invalid", "Invalid request"},
    [PROBLEM_UNDECODABLE] = {422, "undecodable", "Not a readable image"},
    [PROBLEM_UNREADABLE] = {422, "unreadable", "Not a readable file"},
    [PROBLEM_NO_INK] = {422, "no-ink", "Nothing is drawn"},
    [PROBLEM_BUSY] = {429, "busy", "Too many requests waiting"},
    [PROBLEM_CLIENT_LEFT] = {499, "client-left", "Client closed the connection"},
    [PROBLEM_INTERNAL] = {500, "internal", "Internal error"},
    [PROBLEM_NO_MODEL] = {503, "no-model", "No model yet"},
    [PROBLEM_STOPPING] = {503, "stopping", "Server is shutting down"},
    [PROBLEM_OVERLOADED] = {503, "overloaded", "Server is overloaded"},
    [PROBLEM_DISK_FULL] = {507, "disk-full", "No space left"},
};

/* What a client is told about an error of the engine; PROBLEM_INTERNAL for what is none of its business. */
static const enum problem problem_of_status[] = {
    [ERR_ARGUMENT] = PROBLEM_INVALID,    [ERR_SHAPE] = PROBLEM_INVALID,     [ERR_FORMAT] = PROBLEM_MALFORMED,
    [ERR_NOT_FOUND] = PROBLEM_NOT_FOUND, [ERR_IO] = PROBLEM_INTERNAL,       [ERR_MEMORY] = PROBLEM_OVERLOADED,
    [ERR_NO_INK] = PROBLEM_NO_INK,       [ERR_DIVERGED] = PROBLEM_INTERNAL, [ERR_NUMERICS] = PROBLEM_INTERNAL,
    [ERR_FULL] = PROBLEM_DISK_FULL,      [ERR_CHANGED] = PROBLEM_CONFLICT,
};

unsigned problem_status(enum problem problem)
{
    return kinds[problem].status;
}

const char *problem_slug(enum problem problem)
{
    return kinds[problem].slug;
}

const char *problem_title(enum problem problem)
{
    return kinds[problem].title;
}

/* Text may quote what a client sent, which need not be UTF-8. */
static json_t *text_to_json(const char *text)
{
    json_t *json = json_string(text);
    if (json)
        return json;
    char ascii[DETAIL_SIZE];
    size_t length = 0;
    for (; text[length] && length + 1 < sizeof ascii; length++)
        ascii[length] = (unsigned char)text[length] < 0x80 ? text[length] : '?';
    return json_stringn(ascii, length);
}

static json_t *errors_to_json(const struct problems *problems)
{
    json_t *errors = json_array();
    size_t kept = problems->count < PROBLEMS_KEPT ? problems->count : PROBLEMS_KEPT;
    for (size_t i = 0; i < kept; i++) {
        const struct error *item = &problems->items[i];
        bool in_query = item->pointer[0] == '?';
        json_t *entry = json_object();
        json_object_set_new(entry, in_query ? "parameter" : "pointer",
                            text_to_json(item->pointer + in_query));
        json_object_set_new(entry, "detail", text_to_json(item->message));
        json_array_append_new(errors, entry);
    }
    return errors;
}

json_t *problem_to_json(enum problem problem, const char *detail, const char *instance,
                        const struct problems *problems)
{
    char type[64];
    snprintf(type, sizeof type, "/problems/%s", kinds[problem].slug);
    json_t *json = json_object();
    json_object_set_new(json, "type", json_string(type));
    json_object_set_new(json, "title", json_string(kinds[problem].title));
    json_object_set_new(json, "status", json_integer(kinds[problem].status));
    json_object_set_new(json, "detail", text_to_json(detail));
    json_object_set_new(json, "instance", text_to_json(instance));
    json_object_set_new(json, "error", text_to_json(detail));
    if (problems)
        json_object_set_new(json, "errors", errors_to_json(problems));
    return json;
}

static void reply_detail(struct request *request, enum problem problem, const char *detail,
                         const struct problems *problems)
{
    reply_json(request, kinds[problem].status,
               problem_to_json(problem, detail, request_path(request), problems));
    request_reply(request)->media_type = "application/problem+json";
}

void reply_problem(struct request *request, enum problem problem, const char *format, ...)
{
    char detail[DETAIL_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    reply_detail(request, problem, detail, NULL);
}

void reply_problems(struct request *request, enum problem problem, const struct problems *problems)
{
    const struct error *first = &problems->items[0];
    char detail[DETAIL_SIZE], more[48] = "";
    if (problems->count > 1)
        snprintf(more, sizeof more, " (and %zu more)", problems->count - 1);
    snprintf(detail, sizeof detail, "%s%s%s%s", first->pointer, *first->pointer ? ": " : "", first->message,
             more);
    reply_detail(request, problem, detail, problems);
}

void reply_error(struct request *request, const struct error *err)
{
    enum problem problem = problem_of_status[err->code];
    if (problem == PROBLEM_INTERNAL || problem == PROBLEM_DISK_FULL)
        log_error("%s: %s", request_path(request), err->message);
    if (problem == PROBLEM_INTERNAL) {
        reply_problem(request, problem, "The server could not do this; its log says why.");
    } else if (problem == PROBLEM_DISK_FULL) {
        reply_problem(request, problem,
                      "The server's disk is full: this could not be kept. Make space, then try again.");
    } else if (err->pointer[0]) {
        struct problems problems = {.count = 1, .items = {*err}};
        reply_problems(request, problem, &problems);
    } else {
        reply_problem(request, problem, "%s", err->message);
    }
}
