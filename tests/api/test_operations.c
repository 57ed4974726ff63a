/* What those who run the service rely on: API keys, metrics, request ids and logs. */
#include "tests/api/harness.h"
#include "tests/api/training.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL_KEY     "0123456789abcdef0123"
#define PREDICT_KEY "predict-predict-predict"
#define READ_KEY    "read-read-read-read"
#define NEW_KEY     "new-new-new-new-new"

/* SHA-256 of PREDICT_KEY, as sha256sum gives it. */
#define PREDICT_DIGEST "b1f8f1a3b123ba940119839a71376a1edaacc24ebbb4bbf995fee44106559de0"

static struct server *server;
static char key_file[] = "/tmp/digitd-keys-XXXXXX";

static void write_keys(const char *text)
{
    FILE *file = fopen(key_file, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* ---- Keys ----------------------------------------------------------------------------------------------- */

static const struct response *ask(const char *method, const char *path, const char *authorization)
{
    struct call call = {.method = method, .path = path};
    if (strcmp(method, "POST") == 0) {
        call.media_type = "application/json";
        call.body = "{}";
    }
    call.headers[0] = authorization;
    return send_call(server, &call);
}

#define BEARER(key) "Authorization: Bearer " key

static void key_opens_what_its_scopes_say(void **state)
{
    (void)state;
    /* 0: the key is let in, whatever the request then comes to. */
    static const struct {
        const char *method, *path;
        long all, predict, read;
    } cases[] = {
        {"GET", "/api/v1/jobs", 0, 403, 0},
        {"GET", "/", 0, 403, 0},
        {"GET", "/metrics", 0, 403, 0},
        {"GET", "/nowhere", 0, 403, 0},
        {"GET", "/v2/models/digits", 0, 0, 0},
        {"POST", "/v2/repository/index", 0, 0, 0},
        {"POST", "/api/v1/predict", 0, 0, 403},
        {"POST", "/v2/models/digits/infer", 0, 0, 403},
        {"POST", "/v1/models/digits:predict", 0, 0, 403},
        {"POST", "/api/v1/jobs/job_0000000000000000/cancel", 0, 403, 403},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const keys[] = {BEARER(ALL_KEY), BEARER(PREDICT_KEY), BEARER(READ_KEY)};
        const long expected[] = {cases[i].all, cases[i].predict, cases[i].read};
        for (size_t k = 0; k < 3; k++) {
            const struct response *response = ask(cases[i].method, cases[i].path, keys[k]);
            bool refused = response->status == 401 || response->status == 403;
            if (expected[k] ? response->status != expected[k] : refused)
                fail_msg("%s %s with key %zu: %ld %s", cases[i].method, cases[i].path, k, response->status,
                         response->body);
        }
    }
    const struct response *response = ask("GET", "/api/v1/jobs", BEARER(PREDICT_KEY));
    assert_problem(response, 403, "forbidden", NULL);
    assert_non_null(strstr(response_header(response, "WWW-Authenticate"), "insufficient_scope"));
}

static void without_a_known_key_only_probes_answer(void **state)
{
    (void)state;
    static const char *const unknown[] = {NULL,
                                          "Authorization: Bearer wrong-wrong-wrong-wrong",
                                          "Authorization: Bearer 0123456789abcdef012",
                                          "Authorization: Bearer 0123456789abcdef01234",
                                          "Authorization: Bearer",
                                          "Authorization: " ALL_KEY,
                                          "Authorization: Basic " ALL_KEY,
                                          "Authorization: Basic eDp4"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        static const char *const paths[] = {"/api/v1/jobs",  "/",  "/metrics", "/nowhere",
                                            "/openapi.json", "/v2"};
        for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
            const struct response *response = ask("GET", paths[p], unknown[i]);
            assert_problem(response, 401, "unauthorized", NULL);
            assert_non_null(strstr(response->headers, "WWW-Authenticate: Bearer realm=\"digitd\""));
            assert_non_null(strstr(response->headers, "WWW-Authenticate: Basic realm=\"digitd\""));
        }
        /* Neither does it tell which methods there are. */
        const struct response *response = ask("DELETE", "/livez", unknown[i]);
        assert_problem(response, 401, "unauthorized", NULL);
        assert_null(response_header(response, "Allow"));
    }
    static const char *const probes[] = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"};
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        assert_int_equal(ask("GET", probes[i], NULL)->status, 200);
}

static void browser_sends_the_key_as_a_password(void **state)
{
    (void)state;
    /* anyone:0123456789abcdef0123 */
    assert_int_equal(ask("GET", "/", "Authorization: Basic YW55b25lOjAxMjM0NTY3ODlhYmNkZWYwMTIz")->status,
                     200);
}

static void keys_are_read_again_on_hangup(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v2", BEARER(NEW_KEY))->status, 401);
    write_keys("all read,predict,write " ALL_KEY "\nnewcomer read " NEW_KEY "\n");
    kill(server_pid(server), SIGHUP);
    while (ask("GET", "/v2", BEARER(NEW_KEY))->status != 200)
        usleep(1000);
    assert_int_equal(ask("GET", "/v2", BEARER(READ_KEY))->status, 401);
    /* A file with a fault changes nothing; the request after the next signal is after the first. */
    write_keys("newcomer read,fly " NEW_KEY "\n");
    kill(server_pid(server), SIGHUP);
    while (!server_logged(server, "line 1: scopes are read, predict and write"))
        usleep(1000);
    assert_int_equal(ask("GET", "/v2", BEARER(NEW_KEY))->status, 200);
}

/* ---- Metrics -------------------------------------------------------------------------------------------- */

static const char *metrics(void)
{
    const struct response *response = ask("GET", "/metrics", BEARER(ALL_KEY));
    assert_int_equal(response->status, 200);
    assert_string_equal(response_header(response, "Content-Type"),
                        "text/plain; version=0.0.4; charset=utf-8");
    return response->body;
}

/* The value of a series, by the text before it. */
static double value_of(const char *text, const char *series)
{
    char line[256];
    snprintf(line, sizeof line, "\n%s ", series);
    const char *found = strstr(text, line);
    if (!found) {
        fail_msg("no %s", series);
        return 0;
    }
    return strtod(found + strlen(line), NULL);
}

static void requests_are_counted_by_route_method_and_code(void **state)
{
    (void)state;
    const char *const missed =
        "digitd_http_requests_total{method=\"GET\",route=\"/api/v1/jobs/{id}\",code=\"404\"}";
    const char *const timed =
        "digitd_http_request_duration_seconds_count{method=\"GET\",route=\"/api/v1/jobs/{id}\"}";
    for (int i = 0; i < 3; i++)
        ask("GET", "/api/v1/jobs/job_00000000000000ff", BEARER(ALL_KEY));
    ask("GET", "/api/v1/jobs/job_00000000000000ff", NULL);
    const char *text = metrics();
    assert_true(value_of(text, missed) == 3);
    assert_true(value_of(text, timed) == 4);
    assert_null(strstr(text, "job_00000000000000ff"));
    assert_true(value_of(text, "digitd_jobs{state=\"queued\"}") == 0);
    assert_true(value_of(text, "process_resident_memory_bytes") > 1e6);
    assert_true(value_of(text, "process_open_fds") > 3);
}

/* Each sample has a head before it, histograms rise to their count, and no name comes twice. */
static void metrics_are_well_formed(void **state)
{
    (void)state;
    char *text = strdup(metrics()), *rest = text, name[128] = "", type[32] = "";
    double before = 0;
    assert_non_null(text);
    assert_int_equal(text[strlen(text) - 1], '\n');
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            sscanf(line, "# HELP %127s", name);
            continue;
        }
        if (sscanf(line, "# TYPE %127s %31s", name, type) == 2)
            continue;
        if (strncmp(line, name, strlen(name)) != 0)
            fail_msg("%s comes under %s", line, name);
        double value = strtod(strrchr(line, ' ') + 1, NULL);
        if (strstr(line, "_bucket{")) {
            assert_string_equal(type, "histogram");
            bool first = strstr(line, "le=\"0.0001\"") || strstr(line, "le=\"1\"}");
            assert_true(first || value >= before);
            before = value;
        }
        if (strstr(line, "_count"))
            assert_true(value == before);
        assert_true(strcmp(type, "counter") != 0 || strstr(line, "_total"));
    }
    free(text);
}

/* ---- Request ids and logs ------------------------------------------------------------------------------- */

static void request_has_an_id_in_reply_and_log(void **state)
{
    (void)state;
    struct call call = {.path = "/api/v1/jobs?limit=0",
                        .headers = {BEARER(ALL_KEY), "X-Request-Id: order-66.a:b",
                                    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}};
    const struct response *response = send_call(server, &call);
    assert_int_equal(response->status, 400);
    assert_string_equal(response_header(response, "X-Request-Id"), "order-66.a:b");
    while (!server_logged(server, "\"request_id\":\"order-66.a:b\""))
        usleep(1000);
    assert_true(server_logged(server, "\"method\":\"GET\",\"path\":\"/api/v1/jobs\",\"status\":400"));
    assert_true(server_logged(server, "\"key\":\"all\""));
    assert_true(server_logged(
        server, "\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"span_id\":\"00f067aa0ba902b7\""));
}

static void id_that_could_forge_a_line_is_replaced(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "X-Request-Id: a b", "X-Request-Id: \"}", "X-Request-Id: \xc3\xa9",
        "X-Request-Id: 0123456789012345678901234567890123456789012345678901234567890123456789"};
    char last[80] = "";
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *id = response_header(ask("GET", "/livez", bad[i]), "X-Request-Id");
        assert_int_equal(strspn(id, "0123456789abcdef-"), strlen(id));
        assert_string_not_equal(id, last);
        snprintf(last, sizeof last, "%s", id);
    }
}

static void every_line_of_the_log_is_json(void **state)
{
    (void)state;
    char *log = server_log(server), *rest = log;
    size_t lines = 0;
    for (char *line; (line = strsep(&rest, "\n")) && *line; lines++) {
        json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (!json || !json_object_get(json, "time") || !json_object_get(json, "level") ||
            !json_object_get(json, "message"))
            fail_msg("%s", line);
        json_decref(json);
    }
    free(log);
    assert_true(lines > 10);
}

/* ---- Start ---------------------------------------------------------------------------------------------- */

static void refuses_to_start_open_to_others(void **state)
{
    (void)state;
    /* The later --listen counts. */
    static const char *const open[] = {"--listen", "0.0.0.0:0", NULL},
                             *const both[] = {"--no-auth", "--api-key-file", "/dev/null", NULL},
                             *const empty[] = {"--api-key-file", "/dev/null", NULL},
                             *const absent[] = {"--api-key-file", "/nowhere/keys", NULL};
    assert_server_refuses(open, 1, "--api-key-file says who may do what, --no-auth lets everyone");
    assert_server_refuses(both, 2, "contradict each other");
    assert_server_refuses(empty, 1, "holds no key");
    assert_server_refuses(absent, 1, "cannot read the API keys in /nowhere/keys");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_opens_what_its_scopes_say),
        cmocka_unit_test(without_a_known_key_only_probes_answer),
        cmocka_unit_test(browser_sends_the_key_as_a_password),
        cmocka_unit_test(requests_are_counted_by_route_method_and_code),
        cmocka_unit_test(metrics_are_well_formed),
        cmocka_unit_test(request_has_an_id_in_reply_and_log),
        cmocka_unit_test(id_that_could_forge_a_line_is_replaced),
        cmocka_unit_test(keys_are_read_again_on_hangup),
        cmocka_unit_test(every_line_of_the_log_is_json),
        cmocka_unit_test(refuses_to_start_open_to_others),
    };
    int fd = mkstemp(key_file);
    if (fd < 0)
        return 1;
    close(fd);
    const char *const arguments[] = {"--api-key-file", key_file, "--log-format", "json", NULL};
    FILE *file = fopen(key_file, "w");
    fputs("# name scopes key\n\n all  read,predict,write\t" ALL_KEY "\nasker predict sha256:" PREDICT_DIGEST
          "\nviewer read " READ_KEY "\n",
          file);
    fclose(file);
    int failed = run_with_server("operations", tests, sizeof tests / sizeof *tests, arguments, &server);
    unlink(key_file);
    return failed;
}
