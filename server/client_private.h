/* What the files of client.h share. */
#ifndef DIGITD_CLIENT_PRIVATE_H
#define DIGITD_CLIENT_PRIVATE_H

#include "server/client.h"
#include "server/progress.h"

#include <curl/curl.h>

/* What to do with a body that comes with a success; false ends the transfer. */
typedef bool client_sink(void *context, const char *bytes, size_t size);

struct client {
    const struct options *options;
    const struct client_settings *settings;
    CURL *curl;
    char key[512];
    char reason[CURL_ERROR_SIZE];
    long status; /* of the last answer */
    char *text;  /* its body */
    size_t size;
    struct progress *bar; /* of what is being sent; NULL: none is shown */
    client_sink *sink;    /* NULL: success goes to `text`, as all else does */
    void *context;
};

/* The path of a function with arguments of printf behind `format`. */
#define CLIENT_PATH_SIZE 1024
#define CLIENT_PATH(path, format)                                                                            \
    do {                                                                                                     \
        va_list arguments;                                                                                   \
        va_start(arguments, format);                                                                         \
        vsnprintf(path, sizeof path, format, arguments);                                                     \
        va_end(arguments);                                                                                   \
    } while (0)

/* The two halves of a request: handle, method, address and headers are set; then it is sent and the answer arrives. */
void client_begin(struct client *client, const char *method, const char *path,
                  const struct curl_slist *headers);
CURLcode client_exchange(struct client *client);

/* A request with the client's sink; `body` is JSON text or NULL. What arrived is in `status`, `text` and the sink. */
CURLcode client_perform(struct client *client, const char *method, const char *path, const char *body,
                        struct curl_slist *headers);

/* The answer that arrived, as JSON, or what to exit with after a message. */
int client_take_answer(struct client *client, json_t **ret_json);

/* Says why there was no answer, or what is wrong with a request by its answer. */
int client_report_unreachable(const struct client *client, CURLcode code);
int client_report_problem(const struct client *client);

#endif
