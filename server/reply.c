#include "server/reply.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/digest.h"
#include "server/http.h"

#define JSON_DIGITS 15

void reply_clear(struct reply *reply)
{
    free(reply->memory);
    if (reply->source == REPLY_FROM_FILE)
        close(reply->file);
    reply->source = REPLY_FROM_NOTHING;
    reply->memory = NULL;
    reply->fixed = NULL;
    reply->media_type = NULL;
    reply->size = 0;
}

/* Headers stay: they may be added before the body. */
static struct reply *reply_begin(struct request *request, unsigned status)
{
    struct reply *reply = request_reply(request);
    reply_clear(reply);
    reply->status = status;
    return reply;
}

void reply_json_digits(struct request *request, unsigned status, struct json_t *body, unsigned digits)
{
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(digits)) : NULL;
    json_decref(body);
    if (text)
        reply_bytes_take(request, status, "application/json", text, strlen(text));
    else
        reply_begin(request, 503);
}

void reply_json(struct request *request, unsigned status, struct json_t *body)
{
    reply_json_digits(request, status, body, JSON_DIGITS);
}

void reply_empty(struct request *request, unsigned status)
{
    reply_begin(request, status);
}

void reply_bytes_take(struct request *request, unsigned status, const char *media_type, void *data,
                      size_t size)
{
    struct reply *reply = reply_begin(request, status);
    reply->media_type = media_type;
    reply->source = REPLY_FROM_MEMORY;
    reply->memory = data;
    reply->size = size;
}

void reply_static(struct request *request, unsigned status, const char *media_type, const void *data,
                  size_t size)
{
    struct reply *reply = reply_begin(request, status);
    reply->media_type = media_type;
    reply->source = REPLY_FROM_STATIC;
    reply->fixed = data;
    reply->size = size;
}

void reply_file_take(struct request *request, unsigned status, const char *media_type, int fd, uint64_t size)
{
    struct reply *reply = reply_begin(request, status);
    reply->media_type = media_type;
    reply->source = REPLY_FROM_FILE;
    reply->file = fd;
    reply->size = size;
}

void reply_header(struct request *request, const char *name, const char *format, ...)
{
    struct reply *reply = request_reply(request);
    if (reply->header_count == REPLY_HEADERS_MAX)
        return;
    struct reply_header *header = &reply->headers[reply->header_count++];
    header->name = name;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(header->value, sizeof header->value, format, arguments);
    va_end(arguments);
}

/* If-None-Match is "*" or a list of tags; a weak tag W/"x" matches "x" here (RFC 9110, 13.1.2). A tag's quotes
 * make it safe to look for it as a substring. */
static bool etag_is_listed(const char *if_none_match, const char *etag)
{
    return strcmp(if_none_match, "*") == 0 || strstr(if_none_match, etag);
}

bool reply_etag(struct request *request, const char *etag)
{
    reply_header(request, "ETag", "%s", etag);
    const char *known = request_header(request, "If-None-Match");
    if (!known || !etag_is_listed(known, etag))
        return false;
    reply_empty(request, 304);
    return true;
}

void reply_json_tagged(struct request *request, json_t *body)
{
    char digest[DIGEST_TEXT_SIZE], etag[DIGEST_TEXT_SIZE + 2];
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (text) {
        digest_bytes(text, strlen(text), digest);
        free(text);
        snprintf(etag, sizeof etag, "\"%s\"", digest);
        if (reply_etag(request, etag)) {
            json_decref(body);
            return;
        }
    }
    reply_json(request, 200, body);
}
