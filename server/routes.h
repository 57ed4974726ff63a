/* Every route of the server, in one table (routes.c). A newcomer adds a line there and a prototype in
 * handlers.h. */
#ifndef DIGITD_ROUTES_H
#define DIGITD_ROUTES_H

#include "server/http.h"

#define ROUTE_PARAMS_MAX 3
#define ROUTE_TYPES_MAX  4
#define ROUTE_QUERY_MAX  8
#define ROUTE_PARAM_SIZE 96 /* bytes of a path parameter, with its end */
#define ROUTE_ALLOW_SIZE 64

enum lane {
    LANE_EVENT,  /* on the connection's own thread: must not block */
    LANE_WORKER, /* on a worker thread: SQL and files are fine */
};

struct route {
    enum http_method method;
    const char *pattern; /* {name} takes a segment up to its ending: {index}.png; a last * takes the rest */
    handler *handle;
    enum lane lane;
    size_t body_max;                          /* bytes; 0: the route takes no body */
    const char *media_types[ROUTE_TYPES_MAX]; /* that the body may have, up to NULL */
    bool any_media_type; /* or is taken for the first of them, since clients name none, or a wrong one */
    const char *query[ROUTE_QUERY_MAX]; /* parameters that it knows, up to NULL */
    bool any_query;                     /* or ignores whatever there is */
    unsigned scopes; /* of access.h, any of which lets a key in; 0: SCOPE_READ for GET, else SCOPE_WRITE */
    bool open;       /* needs no key at all */
    bool quiet;      /* asked for so often that the log is better without */
};

struct route_params {
    size_t count;
    const char *names[ROUTE_PARAMS_MAX]; /* point into the pattern, end at '}' */
    char values[ROUTE_PARAMS_MAX][ROUTE_PARAM_SIZE];
};

/* The route for `method` (HEAD finds GET's) and `path`; fills `ret_params`. NULL when there is none: then
 * `ret_allow` holds the methods that the path does have as "GET, HEAD", or "" for an unknown path. */
const struct route *routes_find(enum http_method method, const char *path, struct route_params *ret_params,
                                char ret_allow[ROUTE_ALLOW_SIZE]);

/* Routes by index, NULL past the end. */
const struct route *routes_at(size_t index);

/* The same over another table, which a row without a pattern ends. */
const struct route *routes_find_in(const struct route *table, enum http_method method, const char *path,
                                   struct route_params *ret_params, char ret_allow[ROUTE_ALLOW_SIZE]);

#endif
