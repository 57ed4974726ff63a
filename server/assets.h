/* The page and the API's description, embedded into the program when it is built.
 *
 * static/embed.mjs makes assets.c from static/, uPlot's files and api_spec/openapi.yaml. All of it is constant: any
 * thread may read it, nobody frees it. */
#ifndef DIGITD_ASSETS_H
#define DIGITD_ASSETS_H

#include <stddef.h>
#include <stdint.h>

struct asset {
    const char *path;       /* as in the request: "/", "/js/main.js", "/openapi.json" */
    const char *media_type; /* with its charset where it has one */
    const uint8_t *plain;
    size_t plain_size;
    const uint8_t *gzip; /* the same bytes in gzip's format, or NULL where that would not be smaller */
    size_t gzip_size;
    const char *etag; /* strong, quotes included: SHA-256 of the plain bytes */
};

/* The asset at exactly `path`, or NULL. */
const struct asset *asset_find(const char *path);

/* Every asset in order of its path; NULL past the end. */
const struct asset *asset_at(size_t index);

#endif
