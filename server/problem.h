/* Errors as RFC 9457 problem details: application/problem+json with
 * {"type","title","status","detail","instance","error","errors"?}; `error` repeats the detail under the name
 * that clients of the Open Inference Protocol and TensorFlow Serving read.
 *
 * problem.c holds the one table of code, slug, status and title. */
#ifndef DIGITD_PROBLEM_H
#define DIGITD_PROBLEM_H

#include "engine/engine.h"

struct json_t;
struct request;

enum problem {
    PROBLEM_MALFORMED,          /* 400: cannot be parsed; framing, JSON, query */
    PROBLEM_UNAUTHORIZED,       /* 401: no API key, or none that is known; sent with WWW-Authenticate */
    PROBLEM_FORBIDDEN,          /* 403: the API key has not the scope */
    PROBLEM_HOST_REFUSED,       /* 403: Host is not on the allow-list */
    PROBLEM_ORIGIN_REFUSED,     /* 403: a write that a page of another site asks for */
    PROBLEM_NOT_FOUND,          /* 404 */
    PROBLEM_METHOD_NOT_ALLOWED, /* 405, sent with Allow */
    PROBLEM_TIMEOUT,            /* 408 */
    PROBLEM_CONFLICT,           /* 409: not in the present state */
    PROBLEM_TOO_LARGE,          /* 413: body or pixels */
    PROBLEM_MEDIA_TYPE,         /* 415 */
    PROBLEM_INVALID,            /* 422: well-formed, but its values are impossible */
    PROBLEM_UNDECODABLE,        /* 422: an image that is none */
    PROBLEM_UNREADABLE,         /* 422: a file that is not of the form that it should have */
    PROBLEM_NO_INK,             /* 422: a drawing on which nothing is drawn */
    PROBLEM_BUSY,               /* 429: a queue is full; sent with Retry-After */
    PROBLEM_CLIENT_LEFT,        /* 499: for the log; nobody reads it */
    PROBLEM_INTERNAL,           /* 500 */
    PROBLEM_NO_MODEL,           /* 503: no model to predict with yet */
    PROBLEM_STOPPING,           /* 503: the server is shutting down */
    PROBLEM_OVERLOADED,         /* 503: no memory or no worker for this at the moment */
    PROBLEM_DISK_FULL,          /* 507: no space left to keep what is asked for */
    PROBLEM_COUNT,
};

unsigned problem_status(enum problem problem);
const char *problem_slug(enum problem problem);
const char *problem_title(enum problem problem);

/* The object, a new reference; `problems` may be NULL. Text that is not UTF-8 is shown as far as it is ASCII. */
struct json_t *problem_to_json(enum problem problem, const char *detail, const char *instance,
                               const struct problems *problems);

/* Writes the reply. The detail is a sentence for a person: what is wrong, and where. */
void reply_problem(struct request *request, enum problem problem, const char *format, ...) PRINTF_LIKE(3, 4);

/* Writes a reply whose `errors` lists all of `problems` as {"pointer","detail"}, or {"parameter","detail"} for
 * a pointer of the form "?name", which means a query parameter. `problem` is usually PROBLEM_INVALID. */
void reply_problems(struct request *request, enum problem problem, const struct problems *problems);

/* Writes the reply for an error of the engine or of a service, by its code. ERR_IO, ERR_NUMERICS and the like
 * are logged, and answered with 500 without the details. */
void reply_error(struct request *request, const struct error *err);

#endif
