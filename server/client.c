#include "server/client_private.h"

#include "server/cli.h"
#include "server/clock.h"
#include "server/input.h"
#include "server/names.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BODY_MAX        ((size_t)64 << 20)
#define VALUES_MAX      ((size_t)4 << 20)
#define KEY_FILE_MAX    ((size_t)64 << 10)
#define BAR_BYTES_MIN   (1 << 20) /* less is sent at once */
#define SECONDS_CONNECT 10L
#define SECONDS_SILENT  60L /* four times as long as an event stream is ever silent */

/* ---- Opening ------------------------------------------------------------------------------------- */

/* The first key of the text, which is cut up: the last word of the first line that has one and is no comment. NULL: none. */
static const char *first_key(char *text)
{
    char *lines = NULL, *words;
    for (char *line = strtok_r(text, "\r\n", &lines); line; line = strtok_r(NULL, "\r\n", &lines)) {
        const char *last = NULL;
        if (line[strspn(line, " \t")] == '#')
            continue;
        for (char *word = strtok_r(line, " \t", &words); word; word = strtok_r(NULL, " \t", &words))
            last = word;
        if (last && strncmp(last, "sha256:", strlen("sha256:")) != 0)
            return last;
    }
    return NULL;
}

static int read_key_file(struct client *client, const char *file)
{
    struct error err;
    uint8_t *bytes;
    size_t size;
    const char *command = client_command(client);
    if (cli_read_file(file, KEY_FILE_MAX, &bytes, &size, &err) != OK)
        return cli_failed(command, "--api-key-file: %s", err.message);
    char *text = strndup((const char *)bytes, size);
    free(bytes);
    const char *key = text ? first_key(text) : NULL;
    size_t length = key ? strlen(key) : 0;
    if (length > 0 && length < sizeof client->key)
        memcpy(client->key, key, length + 1);
    free(text);
    return *client->key ? EXIT_SUCCESS : cli_failed(command, "--api-key-file: %s holds no key", file);
}

static int read_key(struct client *client)
{
    const struct client_settings *settings = client->settings;
    if (!settings->api_key)
        return settings->api_key_file ? read_key_file(client, settings->api_key_file) : EXIT_SUCCESS;
    if (strlen(settings->api_key) >= sizeof client->key)
        return options_wrong(client->options, "--api-key: longer than any key is");
    snprintf(client->key, sizeof client->key, "%s", settings->api_key);
    return EXIT_SUCCESS;
}

/* A proxy is for other machines. */
static bool is_loopback(const char *server)
{
    CURLU *url = curl_url();
    char *host = NULL;
    bool loopback =
        url && curl_url_set(url, CURLUPART_URL, server, CURLU_DEFAULT_SCHEME) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        (strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0);
    curl_free(host);
    curl_url_cleanup(url);
    return loopback;
}

static size_t receive(char *bytes, size_t unit, size_t count, void *context)
{
    struct client *client = context;
    size_t size = unit * count;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &client->status);
    if (client->sink && client->status == 200)
        return client->sink(client->context, bytes, size) ? size : 0;
    if (size > BODY_MAX - client->size)
        return 0;
    char *larger = realloc(client->text, client->size + size + 1);
    if (!larger)
        return 0;
    memcpy(larger + client->size, bytes, size);
    client->text = larger;
    client->size += size;
    larger[client->size] = '\0';
    return size;
}

static int look_around(void *context, curl_off_t to_come, curl_off_t came, curl_off_t to_go, curl_off_t gone)
{
    (void)to_come, (void)came;
    const struct client *client = context;
    if (client->bar && to_go >= BAR_BYTES_MIN)
        progress_show(client->bar,
                      &(struct progress_state){gone < to_go ? "sending" : "waiting",
                                               (double)gone / (double)to_go, NAN, NAN},
                      clock_seconds());
    return cli_interrupted() ? 1 : 0;
}

static int prepare(struct client *client)
{
    const char *server = client->settings->server;
    if (strncasecmp(server, "http://", 7) != 0 && strncasecmp(server, "https://", 8) != 0)
        return options_wrong(client->options,
                             "--server: expected http://HOST:PORT or https://…, found \"%s\"", server);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(client->curl = curl_easy_init()))
        return cli_failed(client_command(client), "libcurl does not start");
    return read_key(client);
}

int client_open(const struct options *options, const struct client_settings *settings,
                struct client **ret_client)
{
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return cli_failed(options->command, "no memory");
    client->options = options;
    client->settings = settings;
    int exit_code = prepare(client);
    if (exit_code != EXIT_SUCCESS) {
        client_close(client);
        return exit_code;
    }
    cli_catch_interrupts();
    *ret_client = client;
    return EXIT_SUCCESS;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    curl_global_cleanup();
    explicit_bzero(client->key, sizeof client->key);
    free(client->text);
    free(client);
}

const struct client_settings *client_settings(const struct client *client)
{
    return client->settings;
}

const char *client_command(const struct client *client)
{
    return client->options->command;
}

long client_status(const struct client *client)
{
    return client->status;
}

bool client_check_name(const struct client *client, const char *what, const char *name)
{
    if (name_is_valid(name))
        return true;
    options_wrong(client->options, "\"%s\" is not %s: that has %s", name, what, NAME_RULE);
    return false;
}

/* ---- Faults -------------------------------------------------------------------------------------- */

int client_report_unreachable(const struct client *client, CURLcode code)
{
    const char *command = client_command(client), *server = client->settings->server;
    if (cli_interrupted())
        return EXIT_INTERRUPTED;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return cli_failed(command,
                          "no server answers at %s\nStart one with 'digitd serve', or say where it is with "
                          "--server URL or DIGITD_SERVER.",
                          server);
    return cli_failed(command, "%s: %s", server, *client->reason ? client->reason : curl_easy_strerror(code));
}

/* The part of a pointer that begins with the name of an option: /training/augmentation/rotation is --rotation. All that is
 * said of datasets is said by one option. */
static const char *place_in_options(const char *pointer)
{
    static const char *const folders[] = {"/base/", "/training/", "/augmentation/"};
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++)
        if (strncmp(pointer, folders[i], strlen(folders[i])) == 0)
            pointer += strlen(folders[i]) - 1;
    if (strncmp(pointer, "/datasets", strlen("/datasets")) == 0)
        return "/dataset";
    return strcmp(pointer, "/model/preset") == 0 ? strrchr(pointer, '/') : pointer;
}

/* "--epochs", "--model /layers/0/filters"; the pointer itself where no option stands for it. */
static void name_place(const struct client *client, const char *pointer, char *ret_name, size_t size)
{
    char name[64];
    const char *place = place_in_options(pointer);
    size_t length = *place == '/' ? strcspn(place + 1, "/") : 0;
    snprintf(name, sizeof name, "%.*s", (int)length, place + (*place == '/'));
    for (char *at = name; *at; at++)
        *at = *at == '_' ? '-' : *at;
    snprintf(ret_name, size, "%s", pointer);
    for (size_t i = 0; *name && i < client->options->count; i++)
        if (strcmp(client->options->specs[i].name, name) == 0)
            snprintf(ret_name, size, "--%s%s%s", name, place[1 + length] ? " " : "", place + 1 + length);
}

/* /parameters/~1training~1epochs/0 stands for an argument, /training/epochs=…: that, escaped no more. */
static void name_parameter(const char *pointer, char *ret_name, size_t size)
{
    size_t used = 0;
    for (; *pointer && *pointer != '/' && used + 1 < size; pointer++) {
        bool escaped = *pointer == '~' && (pointer[1] == '0' || pointer[1] == '1');
        ret_name[used++] = !escaped ? *pointer : *++pointer == '1' ? '/' : '~';
    }
    ret_name[used] = '\0';
}

static void report_fault(const struct client *client, const json_t *fault)
{
    const char *pointer = json_string_value(json_object_get(fault, "pointer"));
    const char *detail = json_string_value(json_object_get(fault, "detail"));
    const char *parameter = json_string_value(json_object_get(fault, "parameter"));
    char name[256];
    static const char parameters[] = "/parameters/";
    if (pointer && strncmp(pointer, parameters, strlen(parameters)) == 0)
        name_parameter(pointer + strlen(parameters), name, sizeof name);
    else
        name_place(client, pointer ? pointer : "", name, sizeof name);
    if (parameter)
        snprintf(name, sizeof name, "--%s", parameter);
    /* Details begin with the field's name, which the place ends with. */
    const char *field = pointer ? strrchr(pointer, '/') : NULL, *text = detail ? detail : "not accepted";
    size_t length = field ? strlen(field + 1) : 0;
    if (length && strncmp(text, field + 1, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        text += length + 2;
    cli_failed(client_command(client), "%s%s%s", name, *name ? ": " : "", text);
}

int client_report_problem(const struct client *client)
{
    const char *command = client_command(client), *advice = "";
    json_t *problem = client->text ? json_loads(client->text, 0, NULL) : NULL;
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const json_t *faults = json_object_get(problem, "errors");
    if (client->status == 401)
        advice = *client->key ? " The key that was sent is none of the server's."
                              : " Give one with --api-key-file FILE or DIGITD_API_KEY.";
    for (size_t i = 0; i < json_array_size(faults); i++)
        report_fault(client, json_array_get(faults, i));
    if (json_array_size(faults) == 0 && detail)
        cli_failed(command, "%s%s", detail, advice);
    if (!detail)
        cli_failed(command, "%s answers with HTTP status %ld%s", client->settings->server, client->status,
                   client->status < 300 ? " and something else than expected" : "");
    json_decref(problem);
    return client->status == 400 || client->status == 422 ? EXIT_USAGE : EXIT_FAILURE;
}

/* ---- Requests ------------------------------------------------------------------------------------ */

static void set_up(struct client *client, const char *method, const char *address,
                   const struct curl_slist *headers)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "digitd/" DIGITD_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->reason);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_around);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, SECONDS_CONNECT);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SECONDS_SILENT);
    if (is_loopback(client->settings->server))
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (*client->key) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, client->key);
    }
}

static void forget_answer(struct client *client)
{
    free(client->text);
    client->text = NULL;
    client->size = 0;
    client->status = 0;
    client->reason[0] = '\0';
}

/* Where `path` is on the server; its own address may end in a slash. */
static void make_address(const struct client *client, const char *path, char ret_address[CLIENT_PATH_SIZE])
{
    const char *server = client->settings->server;
    int length = (int)strlen(server);
    while (length > 0 && server[length - 1] == '/')
        length--;
    snprintf(ret_address, CLIENT_PATH_SIZE, "%.*s%s", length, server, path);
}

void client_begin(struct client *client, const char *method, const char *path,
                  const struct curl_slist *headers)
{
    char address[CLIENT_PATH_SIZE];
    make_address(client, path, address);
    set_up(client, method, address, headers);
}

CURLcode client_exchange(struct client *client)
{
    forget_answer(client);
    CURLcode code = curl_easy_perform(client->curl);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &client->status);
    return code;
}

CURLcode client_perform(struct client *client, const char *method, const char *path, const char *body,
                        struct curl_slist *headers)
{
    client_begin(client, method, path, headers);
    if (body) {
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
    }
    return client_exchange(client);
}

int client_take_answer(struct client *client, json_t **ret_json)
{
    struct error err;
    json_t *json = NULL;
    if (client->status < 200 || client->status >= 300)
        return client_report_problem(client);
    if (client->size > 0 &&
        input_json_parse_upto((const uint8_t *)client->text, client->size, VALUES_MAX, &json, &err) != OK)
        return cli_failed(client_command(client), "%s does not answer as digitd does: %s",
                          client->settings->server, err.message);
    if (ret_json)
        *ret_json = json;
    else
        json_decref(json);
    return EXIT_SUCCESS;
}

static int request(struct client *client, const char *method, const char *path, const char *body,
                   json_t **ret_json)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    struct curl_slist *more =
        headers && body ? curl_slist_append(headers, "Content-Type: application/json") : headers;
    headers = more ? more : headers;
    if (!more) {
        curl_slist_free_all(headers);
        return cli_failed(client_command(client), "no memory");
    }
    client->sink = NULL;
    CURLcode code = client_perform(client, method, path, body, headers);
    curl_slist_free_all(headers);
    return code == CURLE_OK ? client_take_answer(client, ret_json) : client_report_unreachable(client, code);
}

int client_get(struct client *client, json_t **ret_json, const char *format, ...)
{
    char path[CLIENT_PATH_SIZE];
    CLIENT_PATH(path, format);
    return request(client, "GET", path, NULL, ret_json);
}

int client_send_take(struct client *client, const char *method, json_t *body, json_t **ret_json,
                     const char *format, ...)
{
    char path[CLIENT_PATH_SIZE];
    CLIENT_PATH(path, format);
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    bool failed = body && !text;
    json_decref(body);
    int exit_code = failed ? cli_failed(client_command(client), "no memory for the request")
                           : request(client, method, path, text, ret_json);
    free(text);
    return exit_code;
}
