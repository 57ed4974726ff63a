#include "tests/api/harness.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 48
#define PATIENCE_MS   60000 /* for what must happen; only a hang takes so long */

struct server {
    const char *const *arguments;
    pid_t pid;
    bool told, ended; /* to end; that it has */
    int exit_code;
    char folder[256];
    char url[96];
};

/* ---- The server ------------------------------------------------------------------------------------- */

static void run_server(const struct server *server, const char *const *arguments, int ready_line)
{
    const char *program = getenv("DIGITD_BINARY"), *data_dir = getenv("DIGITD_DATA_DIR");
    char store[300], log[300];
    server_store_path(server, "", store, sizeof store);
    snprintf(log, sizeof log, "%s/log", server->folder);
    const char *argv[ARGUMENTS_MAX] = {program ? program : "build/digitd",
                                       "serve",
                                       "--listen",
                                       "127.0.0.1:0",
                                       "--no-bootstrap",
                                       "--store",
                                       store,
                                       "--data-dir",
                                       data_dir ? data_dir : "data/datasets"};
    size_t count = 9;
    for (; arguments && *arguments && count < ARGUMENTS_MAX - 1; arguments++)
        argv[count++] = *arguments;
    argv[count] = NULL;

    int log_file = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(ready_line, STDOUT_FILENO);
    dup2(log_file, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setenv("ASAN_OPTIONS", "quarantine_size_mb=1",
           0); /* freed memory is given back: tests look at its size */
    execv(argv[0], (char **)(uintptr_t)argv);
    perror(argv[0]);
    _exit(127);
}

/* The first line of stdout, when it is complete; the pipe ends early when the server does. */
static bool read_ready_line(int fd, char *line, size_t size)
{
    size_t length = 0;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    while (length + 1 < size && poll(&waiting, 1, PATIENCE_MS) == 1 && read(fd, line + length, 1) == 1)
        if (line[length++] == '\n') {
            line[length - 1] = '\0';
            return true;
        }
    return false;
}

static void launch(struct server *server)
{
    int ends[2];
    char line[160];
    const char *start = "digitd is ready at ";
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    server->pid = fork();
    if (server->pid == 0)
        run_server(server, server->arguments, ends[1]);
    assert_true(server->pid > 0);
    close(ends[1]);
    bool ready = read_ready_line(ends[0], line, sizeof line) && strncmp(line, start, strlen(start)) == 0;
    close(ends[0]);
    if (!ready) {
        server_print_log(server);
        fail_msg("the server did not say that it is ready");
    }
    snprintf(server->url, sizeof server->url, "%.90s", line + strlen(start));
}

struct server *server_start(const char *const *arguments)
{
    struct server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server->arguments = arguments;
    const char *parent = getenv("TMPDIR");
    snprintf(server->folder, sizeof server->folder, "%s/digitd-api-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(server->folder));
    launch(server);
    return server;
}

void server_kill_and_restart(struct server *server)
{
    kill(server->pid, SIGKILL);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    launch(server);
}

void server_tell_to_end(struct server *server)
{
    if (!server->told)
        kill(server->pid, SIGTERM);
    server->told = true;
}

int server_end(struct server *server)
{
    int status;
    if (!server->ended) {
        server_tell_to_end(server);
        assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
        server->ended = true;
        server->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return server->exit_code;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

void server_stop(struct server *server)
{
    if (!server)
        return;
    int exit_code = server_end(server);
    if (exit_code != 0)
        server_print_log(server);
    nftw(server->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(server);
    assert_int_equal(exit_code, 0);
}

const char *server_url(const struct server *server)
{
    return server->url;
}

int server_pid(const struct server *server)
{
    return server->pid;
}

bool server_is_alive(const struct server *server)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)server->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

void server_store_path(const struct server *server, const char *name, char *ret_path, size_t size)
{
    snprintf(ret_path, size, "%s/store/%s", server->folder, name);
}

long server_memory(const struct server *server)
{
    char path[64], line[128];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", server->pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        sscanf(line, "VmRSS: %ld", &kib);
    fclose(file);
    return kib;
}

void server_print_log(const struct server *server)
{
    char path[300], line[512];
    snprintf(path, sizeof path, "%s/log", server->folder);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        print_error("digitd: %s", line);
    if (file)
        fclose(file);
}

char *server_log(const struct server *server)
{
    char path[300];
    snprintf(path, sizeof path, "%s/log", server->folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    char *text = malloc(size + 1);
    assert_non_null(text);
    rewind(file);
    text[fread(text, 1, size, file)] = '\0';
    fclose(file);
    return text;
}

bool server_logged(const struct server *server, const char *text)
{
    char *log = server_log(server);
    bool found = strstr(log, text);
    free(log);
    return found;
}

void assert_server_refuses(const char *const *arguments, int exit_code, const char *text)
{
    struct server server = {.arguments = arguments};
    int ends[2], status;
    const char *parent = getenv("TMPDIR");
    snprintf(server.folder, sizeof server.folder, "%s/digitd-api-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(server.folder));
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    server.pid = fork();
    if (server.pid == 0)
        run_server(&server, arguments, ends[1]);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != exit_code || !server_logged(&server, text)) {
        server_print_log(&server);
        fail_msg("expected exit code %d and \"%s\", got status %d", exit_code, text, status);
    }
    nftw(server.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int run_with_server(const char *group, const struct CMUnitTest *tests, size_t count,
                    const char *const *arguments, struct server **server)
{
    *server = server_start(arguments);
    int failed = _cmocka_run_group_tests(group, tests, count, NULL, NULL);
    if (failed)
        server_print_log(*server);
    server_stop(*server);
    return failed;
}

/* ---- Requests ----------------------------------------------------------------------------------------- */

struct text {
    char *bytes;
    size_t size;
};

static size_t append(char *data, size_t one, size_t size, void *context)
{
    (void)one;
    struct text *text = context;
    text->bytes = realloc(text->bytes, text->size + size + 1);
    assert_non_null(text->bytes);
    memcpy(text->bytes + text->size, data, size);
    text->size += size;
    text->bytes[text->size] = '\0';
    return size;
}

/* Runs the prepared request. */
static const struct response *perform(CURL *curl, const struct server *server, const char *path)
{
    static struct response response;
    free(response.headers);
    free(response.body);
    json_decref(response.json);
    response = (struct response){0};

    char url[512], reason[CURL_ERROR_SIZE] = "";
    struct text headers = {0}, body = {0};
    append((char[]){""}, 1, 0, &headers);
    append((char[]){""}, 1, 0, &body);
    snprintf(url, sizeof url, "%s%s", server->url, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        fail_msg("%s: %s (%s)", url, curl_easy_strerror(code), reason);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
    response.headers = headers.bytes;
    response.body = body.bytes;
    response.size = body.size;
    response.json = json_loadb(body.bytes, body.size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    return &response;
}

const struct response *send_call(const struct server *server, const struct call *call)
{
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    char media_type[128];
    snprintf(media_type, sizeof media_type, "Content-Type: %s", call->media_type ? call->media_type : "");
    headers = curl_slist_append(headers, media_type);
    for (size_t i = 0; i < 4 && call->headers[i]; i++)
        headers = curl_slist_append(headers, call->headers[i]);
    if (call->body) {
        size_t size = call->size ? call->size : strlen(call->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
    }
    if (call->method)
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    if (call->method && strcmp(call->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    const struct response *response = perform(curl, server, call->path);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return response;
}

const struct response *get(const struct server *server, const char *path)
{
    return send_call(server, &(struct call){.path = path});
}

const struct response *post_json(const struct server *server, const char *path, const char *json)
{
    return send_call(server, &(struct call){.path = path, .media_type = "application/json", .body = json});
}

const struct response *post_files(const struct server *server, const char *path,
                                  const struct form_file *files, size_t count)
{
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    curl_mime *form = curl_mime_init(curl);
    for (size_t i = 0; i < count; i++) {
        curl_mimepart *part = curl_mime_addpart(form);
        curl_mime_name(part, files[i].field);
        curl_mime_filename(part, files[i].field);
        curl_mime_data(part, files[i].data, files[i].size);
    }
    curl_easy_setopt(curl, CURLOPT_MIMEPOST, form);
    const struct response *response = perform(curl, server, path);
    curl_mime_free(form);
    curl_easy_cleanup(curl);
    return response;
}

const struct response *post_form(const struct server *server, const char *path, const char *field,
                                 const void *data, size_t size)
{
    return post_files(server, path, &(struct form_file){field, data, size}, 1);
}

const char *response_header(const struct response *response, const char *name)
{
    static char value[512];
    size_t length = strlen(name);
    for (const char *line = response->headers; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *start = line + length + 1 + strspn(line + length + 1, " ");
            snprintf(value, sizeof value, "%.*s", (int)strcspn(start, "\r\n"), start);
            return value;
        }
    }
    return NULL;
}

const json_t *json_at(const struct response *response, const char *pointer)
{
    const json_t *value = response->json;
    for (const char *at = pointer; *at && value;) {
        char step[64];
        size_t length = strcspn(++at, "/");
        snprintf(step, sizeof step, "%.*s", (int)length, at);
        value = json_is_array(value) ? json_array_get(value, strtoul(step, NULL, 10))
                                     : json_object_get(value, step);
        at += length;
    }
    if (!value)
        fail_msg("%ld: nothing at %s in %s", response->status, pointer, response->body);
    return value;
}

void assert_problem(const struct response *response, long status, const char *slug, const char *pointer)
{
    char type[64];
    snprintf(type, sizeof type, "/problems/%s", slug);
    if (response->status != status || !response->json ||
        strcmp(json_string_value(json_at(response, "/type")), type) != 0)
        fail_msg("expected %ld %s, got %ld: %s", status, slug, response->status, response->body);
    assert_string_equal(response_header(response, "Content-Type"), "application/problem+json");
    assert_int_equal(json_integer_value(json_at(response, "/status")), status);
    assert_string_equal(json_string_value(json_at(response, "/error")),
                        json_string_value(json_at(response, "/detail")));
    if (!pointer)
        return;
    size_t i;
    json_t *error;
    json_array_foreach(json_at(response, "/errors"), i, error)
    {
        const json_t *place = json_object_get(error, "pointer");
        place = place ? place : json_object_get(error, "parameter");
        if (place && strcmp(json_string_value(place), pointer) == 0)
            return;
    }
    fail_msg("no error at %s: %s", pointer, response->body);
}

/* ---- Plain sockets ------------------------------------------------------------------------------------ */

int raw_connect(const struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)strtoul(strrchr(server->url, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void raw_send(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
}

size_t raw_read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    while (length + 1 < size) {
        if (poll(&waiting, 1, PATIENCE_MS) != 1)
            fail_msg("the server does not close the connection");
        ssize_t got = read(fd, text + length, size - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    text[length] = '\0';
    return length;
}

const char *raw_exchange(const struct server *server, const char *bytes)
{
    static char reply[64 << 10];
    int fd = raw_connect(server);
    raw_send(fd, bytes, strlen(bytes));
    raw_read_all(fd, reply, sizeof reply);
    close(fd);
    return reply;
}
