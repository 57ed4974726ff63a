/* What a request must be before any handler sees it: framed in one way only, meant for this host, and not
 * written by another site's page in a visitor's browser. Pure functions over headers; any thread.
 *
 * RFC 9112 (framing, section 6), RFC 9110 (Host, section 7.2), Fetch Metadata (Sec-Fetch-Site). */
#ifndef DIGITD_HTTP_GUARD_H
#define DIGITD_HTTP_GUARD_H

#include "engine/engine.h"

/* The headers that the guard looks at, gathered in one walk. */
struct guard_headers {
    int content_lengths, transfer_encodings, hosts; /* how often each occurs */
    const char *transfer_encoding;
    const char *host, *origin, *fetch_site; /* NULL when absent */
};

/* Notes one header of a request. */
void guard_note(struct guard_headers *headers, const char *name, const char *value);

/* What is wrong with the framing, as a sentence; NULL when it is sound. */
const char *guard_framing(const struct guard_headers *headers);

struct guard; /* the names that Host may have; immutable */

/* `address` is the listen address without port ("127.0.0.1", "::1"); `names` are accepted besides it and the names
 * of loopback. */
MUST_CHECK enum status guard_create(const char *address, const char *const *names, size_t count,
                                    struct guard **ret_guard, struct error *err);
void guard_free(struct guard *guard);

/* Whether Host ("name", "name:8080", "[::1]:8080") is one of the allowed names: a page that rebinds its own
 * name to this address cannot say so. */
bool guard_host(const struct guard *guard, const char *host);

/* Whether a write may come from where the headers say: no browser (neither header), or a page of this very host. */
bool guard_origin(const struct guard_headers *headers);

#endif
