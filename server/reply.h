/* The answer to a request: status, headers, body. Plain data that http.c sends.
 *
 * A handler writes exactly one reply; writing another replaces the first. Unless a header says otherwise the
 * reply is sent with Cache-Control: no-store. Running out of memory while a reply is written turns it into a
 * plain 503 without a body, so none of these functions can fail. */
#ifndef DIGITD_REPLY_H
#define DIGITD_REPLY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/engine.h"

struct json_t;
struct request;

/* Takes `body`; NULL stands for "no memory to build it". */
void reply_json(struct request *request, unsigned status, struct json_t *body);

/* The same with numbers written to `digits` significant digits (reply_json: 15, in which decimal fractions
 * come out as they went in). */
void reply_json_digits(struct request *request, unsigned status, struct json_t *body, unsigned digits);

void reply_empty(struct request *request, unsigned status);

/* Takes `data`, made by malloc. */
void reply_bytes_take(struct request *request, unsigned status, const char *media_type, void *data,
                      size_t size);

/* `data` must outlive the server. */
void reply_static(struct request *request, unsigned status, const char *media_type, const void *data,
                  size_t size);

/* Takes the open file `fd` and sends its first `size` bytes. */
void reply_file_take(struct request *request, unsigned status, const char *media_type, int fd, uint64_t size);

/* Adds a header; `name` must be a literal. At most 8 a reply, values under 256 bytes. Call it before or after
 * the body is set. */
void reply_header(struct request *request, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);

/* Adds `ETag: etag` (quotes included). When If-None-Match of the request holds it, writes a 304 and returns
 * true: nothing is left to do. Otherwise the caller writes the body. */
bool reply_etag(struct request *request, const char *etag);

/* 200 with `body`, which it takes, and an ETag of what is in it; or 304 when that is known. */
void reply_json_tagged(struct request *request, struct json_t *body);

/* ---- What http.c sends ------------------------------------------------------------------------------ */

#define REPLY_HEADERS_MAX 8

enum reply_source { REPLY_FROM_NOTHING, REPLY_FROM_MEMORY, REPLY_FROM_STATIC, REPLY_FROM_FILE };

struct reply_header {
    const char *name;
    char value[256];
};

struct reply {
    unsigned status;        /* 0: no reply was written */
    const char *media_type; /* NULL without a body */
    enum reply_source source;
    void *memory; /* owned */
    const void *fixed;
    int file; /* owned */
    uint64_t size;
    size_t header_count;
    struct reply_header headers[REPLY_HEADERS_MAX];
};

/* Drops the body and what it owns. */
void reply_clear(struct reply *reply);

#endif
