/* A digitd process for a test program, and requests to it by libcurl or by plain sockets.
 *
 * The program under test is $DIGITD_BINARY, or build/digitd. It serves an empty store of its own on a free port of
 * 127.0.0.1 and ends with the test program, whatever happens to that. Failures here fail the running test. */
#ifndef DIGITD_TESTS_HARNESS_H
#define DIGITD_TESTS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

/* ---- The server ------------------------------------------------------------------------------------- */

struct server;

/* Starts `digitd serve` with these arguments besides --listen, --store, --data-dir and --no-bootstrap; NULL at the
 * end, or NULL. They must outlive the server. Returns when it says that it is ready. */
struct server *server_start(const char *const *arguments);

/* SIGKILL, and a new process on the same store, on another port. */
void server_kill_and_restart(struct server *server);

/* Sends SIGTERM, once: a second one would end it at once. */
void server_tell_to_end(struct server *server);

/* Tells it to end unless it was told, and waits; returns the exit code. */
int server_end(struct server *server);

/* The same, expects exit code 0, and frees everything. NULL is allowed. */
void server_stop(struct server *server);

const char *server_url(const struct server *server);
int server_pid(const struct server *server);
bool server_is_alive(const struct server *server);

/* Writes the path of a file of its store. */
void server_store_path(const struct server *server, const char *name, char *ret_path, size_t size);

/* Resident memory in KiB. */
long server_memory(const struct server *server);

/* What the server has logged so far, to stderr. */
void server_print_log(const struct server *server);

/* The same as text, for the caller to free; whether some text is in it. */
char *server_log(const struct server *server);
bool server_logged(const struct server *server, const char *text);

/* A server with these arguments ends at once, with this exit code and this text in its log. */
void assert_server_refuses(const char *const *arguments, int exit_code, const char *text);

/* For main: runs the tests against one server, which they find in `server`, and prints its log if one fails.
 * Returns how many failed. */
int run_with_server(const char *group, const struct CMUnitTest *tests, size_t count,
                    const char *const *arguments, struct server **server);

/* ---- Requests ----------------------------------------------------------------------------------------- */

struct call {
    const char *method; /* NULL: GET, or POST with a body */
    const char *path;
    const char *media_type;
    const void *body;
    size_t size;            /* 0: strlen(body) */
    const char *headers[4]; /* "Name: value" */
};

struct response {
    long status;
    char *headers; /* as received */
    char *body;    /* ends in NUL */
    size_t size;
    json_t *json; /* NULL when the body is none */
};

/* The response is freed by the next call of send_call. */
const struct response *send_call(const struct server *server, const struct call *call);

/* GET */
const struct response *get(const struct server *server, const char *path);

/* POST of JSON */
const struct response *post_json(const struct server *server, const char *path, const char *json);

/* POST of a form with files as its parts. */
struct form_file {
    const char *field;
    const void *data;
    size_t size;
};
const struct response *post_files(const struct server *server, const char *path,
                                  const struct form_file *files, size_t count);

/* The same with one. */
const struct response *post_form(const struct server *server, const char *path, const char *field,
                                 const void *data, size_t size);

/* Value of a header; NULL when absent. Valid until the next call of it. */
const char *response_header(const struct response *response, const char *name);

/* A value inside the body by JSON pointer without escapes, "/model/name"; fails the test when absent. */
const json_t *json_at(const struct response *response, const char *pointer);

/* The response is problem+json of this status and slug, and some entry of `errors` has this pointer (or parameter);
 * NULL: there need be none. */
void assert_problem(const struct response *response, long status, const char *slug, const char *pointer);

/* ---- Plain sockets ------------------------------------------------------------------------------------ */

int raw_connect(const struct server *server);
void raw_send(int fd, const void *bytes, size_t size);

/* Reads until the server closes, at most `size` - 1 bytes; ends them with NUL. */
size_t raw_read_all(int fd, char *text, size_t size);

/* Sends bytes and returns all that comes back until the server closes; valid until the next call of it. */
const char *raw_exchange(const struct server *server, const char *bytes);

#endif
