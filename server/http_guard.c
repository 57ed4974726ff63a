#include "server/http_guard.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct guard {
    size_t count;
    char *names[]; /* without port and brackets */
};

static const char *const loopback_names[] = {"localhost", "127.0.0.1", "::1"};

#define LOOPBACK_COUNT (sizeof loopback_names / sizeof *loopback_names)

/* ---- Framing ---------------------------------------------------------------------------------------- */

void guard_note(struct guard_headers *headers, const char *name, const char *value)
{
    if (strcasecmp(name, "Content-Length") == 0) {
        headers->content_lengths++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        headers->transfer_encodings++;
        headers->transfer_encoding = value;
    } else if (strcasecmp(name, "Host") == 0) {
        headers->hosts++;
        headers->host = value;
    } else if (strcasecmp(name, "Origin") == 0) {
        headers->origin = value;
    } else if (strcasecmp(name, "Sec-Fetch-Site") == 0) {
        headers->fetch_site = value;
    }
}

const char *guard_framing(const struct guard_headers *headers)
{
    if (headers->content_lengths > 1)
        return "More than one Content-Length.";
    if (headers->content_lengths && headers->transfer_encodings)
        return "Both Content-Length and Transfer-Encoding.";
    if (headers->transfer_encodings > 1 ||
        (headers->transfer_encoding && strcasecmp(headers->transfer_encoding, "chunked") != 0))
        return "Transfer-Encoding must be chunked, once.";
    if (headers->hosts != 1)
        return "Exactly one Host header is needed.";
    return NULL;
}

/* ---- Host ------------------------------------------------------------------------------------------- */

enum status guard_create(const char *address, const char *const *names, size_t count,
                         struct guard **ret_guard, struct error *err)
{
    size_t capacity = LOOPBACK_COUNT + 1 + count;
    struct guard *guard = calloc(1, sizeof *guard + capacity * sizeof *guard->names);
    if (!guard)
        return error_set(err, ERR_MEMORY, "no memory for the list of hosts");
    for (; guard->count < capacity; guard->count++) {
        size_t i = guard->count;
        const char *name = i < LOOPBACK_COUNT    ? loopback_names[i]
                           : i == LOOPBACK_COUNT ? address
                                                 : names[i - LOOPBACK_COUNT - 1];
        guard->names[i] = strdup(name);
        if (!guard->names[i]) {
            guard_free(guard);
            return error_set(err, ERR_MEMORY, "no memory for the list of hosts");
        }
    }
    *ret_guard = guard;
    return OK;
}

void guard_free(struct guard *guard)
{
    if (!guard)
        return;
    for (size_t i = 0; i < guard->count; i++)
        free(guard->names[i]);
    free(guard);
}

/* The name in "name:port" or "[name]:port". False when it is neither. */
static bool split_host(const char *host, const char **ret_name, size_t *ret_length)
{
    bool bracketed = *host == '[';
    const char *name = host + bracketed;
    size_t length = strcspn(name, bracketed ? "]" : ":");
    const char *rest = name + length;
    if (bracketed && *rest++ != ']')
        return false;
    if (*rest == ':')
        rest += 1 + strspn(rest + 1, "0123456789");
    *ret_name = name;
    *ret_length = length;
    return *rest == '\0' && length > 0;
}

bool guard_host(const struct guard *guard, const char *host)
{
    const char *name;
    size_t length;
    if (!split_host(host, &name, &length))
        return false;
    for (size_t i = 0; i < guard->count; i++)
        if (strlen(guard->names[i]) == length && strncasecmp(guard->names[i], name, length) == 0)
            return true;
    return false;
}

/* ---- Origin ----------------------------------------------------------------------------------------- */

/* "http://host:port" is the same site as "Host: host:port"; behind a proxy that ends TLS it says https. */
static bool origin_is_host(const char *origin, const char *host)
{
    const char *authority = strstr(origin, "://");
    return authority && strcasecmp(authority + 3, host) == 0;
}

bool guard_origin(const struct guard_headers *headers)
{
    const char *site = headers->fetch_site;
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    return !headers->origin || origin_is_host(headers->origin, headers->host);
}
