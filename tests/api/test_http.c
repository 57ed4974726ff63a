/* What the HTTP layer promises whatever the route: routes, the page, framing, hosts, origins, bodies. */
#include "tests/api/http_setup.h"

/* ---- Routes ------------------------------------------------------------------------------------------- */

static void health_is_told_in_json(void **state)
{
    (void)state;
    const struct response *response = get(server, "/livez");
    assert_int_equal(response->status, 200);
    assert_string_equal(response->body, "{\"status\":\"alive\"}");
    assert_string_equal(response_header(response, "Content-Type"), "application/json");

    response = get(server, "/readyz");
    assert_int_equal(response->status, 200);
    assert_string_equal(json_string_value(json_at(response, "/status")), "ready");
    assert_non_null(strstr(json_string_value(json_at(response, "/detail")), "no model"));
}

static void version_names_program_and_core_type(void **state)
{
    (void)state;
    const struct response *response = get(server, "/api/v1/version");
    assert_string_equal(json_string_value(json_at(response, "/version")), DIGITD_VERSION);
    assert_true(json_string_length(json_at(response, "/core_type")) > 0);
    assert_true(json_string_length(json_at(response, "/instruction_set")) > 0);
}

static void unknown_path_is_a_404_that_names_it(void **state)
{
    (void)state;
    const struct response *response = get(server, "/nowhere/at/all");
    assert_problem(response, 404, "not-found", NULL);
    assert_string_equal(json_string_value(json_at(response, "/instance")), "/nowhere/at/all");
    assert_problem(post_json(server, "/nowhere", "{}"), 404, "not-found", NULL);
}

static void path_that_leads_upwards_finds_nothing(void **state)
{
    (void)state;
    static const char *const paths[] = {"/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
                                        "/js/..%2f..%2fetc/passwd", "//etc/passwd"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_problem(get(server, paths[i]), 404, "not-found", NULL);
}

static void encoded_nul_is_refused(void **state)
{
    (void)state;
    assert_problem(get(server, "/livez%00.png"), 400, "malformed", NULL);
    assert_problem(get(server, "/readyz?x=%00"), 400, "malformed", NULL);
}

static void bytes_that_are_no_utf8_are_shown_as_ascii(void **state)
{
    (void)state;
    const struct response *response = get(server, "/caf%e9");
    assert_problem(response, 404, "not-found", NULL);
    assert_string_equal(json_string_value(json_at(response, "/instance")), "/caf?");
}

static void wrong_method_is_a_405_with_allow(void **state)
{
    (void)state;
    const struct response *response = get(server, "/api/v1/predict");
    assert_problem(response, 405, "method-not-allowed", NULL);
    assert_string_equal(response_header(response, "Allow"), "POST");
    response = send_call(server, &(struct call){.method = "DELETE", .path = "/livez"});
    assert_problem(response, 405, "method-not-allowed", NULL);
    assert_string_equal(response_header(response, "Allow"), "GET, HEAD");
    assert_problem(send_call(server, &(struct call){.method = "BREW", .path = "/livez"}), 405,
                   "method-not-allowed", NULL);
}

static void options_tells_the_methods(void **state)
{
    (void)state;
    const struct response *response =
        send_call(server, &(struct call){.method = "OPTIONS", .path = "/api/v1/predict"});
    assert_int_equal(response->status, 204);
    assert_string_equal(response_header(response, "Allow"), "POST");
}

static void head_is_get_without_a_body(void **state)
{
    (void)state;
    const struct response *response = send_call(server, &(struct call){.method = "HEAD", .path = "/livez"});
    assert_int_equal(response->status, 200);
    assert_string_equal(response_header(response, "Content-Length"), "18");
    assert_int_equal(response->size, 0);
}

static void query_parameter_is_known_and_given_once(void **state)
{
    (void)state;
    assert_problem(get(server, "/livez?verbose=1"), 400, "malformed", "verbose");
    assert_problem(post_json(server, "/api/v1/predict?modus=raw", "{}"), 400, "malformed", "modus");
    assert_problem(post_json(server, "/api/v1/predict?mode=raw&mode=raw", "{}"), 400, "malformed", "mode");
    assert_problem(post_json(server, "/api/v1/predict?mode", "{}"), 400, "malformed", "mode");
}

/* ---- The page ----------------------------------------------------------------------------------------- */

static void page_is_compressed_for_who_accepts_it(void **state)
{
    (void)state;
    const struct response *response = get(server, "/");
    assert_int_equal(response->status, 200);
    assert_string_equal(response_header(response, "Content-Type"), "text/html; charset=utf-8");
    assert_null(response_header(response, "Content-Encoding"));
    size_t plain = response->size;

    static const struct {
        const char *header;
        bool gzip;
    } cases[] = {{"Accept-Encoding: gzip, deflate, br", true},
                 {"Accept-Encoding: br;q=1, gzip;q=0.5", true},
                 {"Accept-Encoding: gzip;q=0", false},
                 {"Accept-Encoding: gzip;q=0.000, br", false},
                 {"Accept-Encoding: xgzip", false},
                 {"Accept-Encoding: br", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        response = send_call(server, &(struct call){.path = "/", .headers = {cases[i].header}});
        assert_int_equal(response->status, 200);
        assert_string_equal(response_header(response, "Vary"), "Accept-Encoding");
        bool gzip = response_header(response, "Content-Encoding") != NULL;
        if (gzip != cases[i].gzip || gzip != (response->size < plain))
            fail_msg("\"%s\": %zu bytes of %zu", cases[i].header, response->size, plain);
    }
}

static void page_that_is_known_is_not_sent_again(void **state)
{
    (void)state;
    char header[200], weak[200];
    const char *etag = response_header(get(server, "/"), "ETag");
    assert_non_null(etag);
    snprintf(header, sizeof header, "If-None-Match: %s", etag);
    snprintf(weak, sizeof weak, "If-None-Match: \"other\", W/%s", etag);
    const char *const known[] = {header, weak, "If-None-Match: *"};
    for (size_t i = 0; i < 3; i++) {
        const struct response *response =
            send_call(server, &(struct call){.path = "/", .headers = {known[i]}});
        assert_int_equal(response->status, 304);
        assert_int_equal(response->size, 0);
        assert_non_null(response_header(response, "ETag"));
    }
    const struct call other = {.path = "/", .headers = {"If-None-Match: \"other\""}};
    assert_int_equal(send_call(server, &other)->status, 200);
}

static void page_can_be_served_from_a_folder(void **state)
{
    (void)state;
    char folder[] = "/tmp/digitd-static-XXXXXX", file[64];
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/index.html", folder);
    FILE *page = fopen(file, "w");
    fputs("draft", page);
    fclose(page);
    struct server *other = server_start((const char *[]){"--static", folder, NULL});
    const struct response *response = get(other, "/");
    assert_string_equal(response->body, "draft");
    assert_string_equal(response_header(response, "Content-Type"), "text/html; charset=utf-8");
    assert_null(response_header(response, "ETag"));
    assert_int_equal(get(other, "/openapi.json")->status, 200); /* not there: from the program */
    assert_problem(get(other, "/index.html"), 404, "not-found", NULL);
    server_stop(other);
    remove(file);
    remove(folder);
}

static void every_reply_forbids_foreign_code_and_frames(void **state)
{
    (void)state;
    static const char *const paths[] = {"/", "/livez", "/nowhere"};
    for (size_t i = 0; i < 3; i++) {
        const struct response *response = get(server, paths[i]);
        const char *policy = response_header(response, "Content-Security-Policy");
        assert_non_null(policy);
        assert_non_null(strstr(policy, "default-src 'none'"));
        assert_non_null(strstr(policy, "frame-ancestors 'none'"));
        assert_null(strstr(policy, "unsafe"));
        assert_string_equal(response_header(response, "X-Content-Type-Options"), "nosniff");
        assert_null(response_header(response, "Access-Control-Allow-Origin"));
    }
    assert_string_equal(response_header(get(server, "/livez"), "Cache-Control"), "no-store");
}

/* ---- Framing, hosts, origins -------------------------------------------------------------------------- */

static void ambiguous_framing_ends_the_connection(void **state)
{
    (void)state;
    static const char *const requests[] = {
        PREDICT "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        PREDICT "Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}",
        PREDICT "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        PREDICT "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        PREDICT "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        PREDICT "Transfer-Encoding: identity\r\n\r\n",
        GET_LIVEZ(""),
        GET_LIVEZ(HOST HOST),
        GET_LIVEZ(HOST "Host: digits.example\r\n"),
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        const char *reply = raw_exchange(server, requests[i]);
        if (!starts_with(reply, "HTTP/1.1 400 ") || strstr(reply + 1, "HTTP/1.1"))
            fail_msg("%s\n-> %s", requests[i], reply);
    }
}

static void length_that_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const lengths[] = {"-1", "+2", "two", "0x10", "2, 2", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char request[200];
        snprintf(request, sizeof request, PREDICT "Content-Length: %s\r\n\r\n{}", lengths[i]);
        const char *reply = raw_exchange(server, request);
        if (!starts_with(reply, "HTTP/1.1 4"))
            fail_msg("Content-Length: %s -> %.60s", lengths[i], reply);
    }
    assert_int_equal(get(server, "/livez")->status, 200);
}

static void host_must_be_one_that_is_served(void **state)
{
    (void)state;
    static const char *const served[] = {"127.0.0.1", "localhost:8080", "LOCALHOST",
                                         "[::1]:80",  "digits.example", "other.example:443"};
    static const char *const foreign[] = {
        "evil.example",    "digits.example.evil", "127.0.0.1.evil", "10.0.0.1",
        "localhost:80:80", "localhost:x",         "[::1",           "",
        "[::1]x"};
    char header[100];
    for (size_t i = 0; i < sizeof served / sizeof *served; i++) {
        snprintf(header, sizeof header, "Host: %s", served[i]);
        assert_int_equal(send_call(server, &(struct call){.path = "/livez", .headers = {header}})->status,
                         200);
    }
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        char request[200];
        snprintf(request, sizeof request, "GET /livez HTTP/1.1\r\nHost: %s\r\n" CLOSE "\r\n", foreign[i]);
        const char *reply = raw_exchange(server, request);
        if (!starts_with(reply, "HTTP/1.1 403 ") || !strstr(reply, "/problems/host-refused"))
            fail_msg("Host: %s -> %s", foreign[i], reply);
    }
}

static void page_of_another_site_may_not_write(void **state)
{
    (void)state;
    static const char *const foreign[] = {"Origin: http://evil.example", "Origin: null",
                                          "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        struct call call = {.path = "/api/v1/predict", .media_type = "application/json", .body = "{}"};
        call.headers[0] = foreign[i];
        assert_problem(send_call(server, &call), 403, "origin-refused", NULL);
        call = (struct call){.path = "/livez", .headers = {foreign[i]}};
        assert_int_equal(send_call(server, &call)->status, 200);
    }
    char own[120];
    snprintf(own, sizeof own, "Origin: %s", server_url(server));
    const char *const friendly[] = {own, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"};
    for (size_t i = 0; i < 3; i++) {
        struct call call = {.path = "/api/v1/predict", .media_type = "application/json", .body = "{}"};
        call.headers[0] = friendly[i];
        assert_problem(send_call(server, &call), 422, "invalid", NULL);
    }
}

/* ---- Bodies ------------------------------------------------------------------------------------------- */

static void media_type_must_be_one_that_the_route_takes(void **state)
{
    (void)state;
    struct call call = {.path = "/api/v1/predict", .media_type = "text/plain", .body = "7"};
    const struct response *response = send_call(server, &call);
    assert_problem(response, 415, "media-type", NULL);
    assert_non_null(strstr(json_string_value(json_at(response, "/detail")), "image/png, application/json"));
    call.media_type = "";
    assert_problem(send_call(server, &call), 415, "media-type", NULL);
    call = (struct call){
        .path = "/api/v1/predict", .media_type = "Application/JSON; charset=utf-8", .body = "{}"};
    assert_problem(send_call(server, &call), 422, "invalid", NULL);
    call.headers[0] = "Content-Encoding: gzip";
    assert_problem(send_call(server, &call), 415, "media-type", NULL);
}

static void body_that_is_too_large_is_refused_before_it_is_read(void **state)
{
    (void)state;
    const char *reply =
        raw_exchange(server, PREDICT "Content-Type: image/png\r\nContent-Length: 1000000000\r\n\r\n");
    assert_true(starts_with(reply, "HTTP/1.1 413 "));
    assert_non_null(strstr(reply, "/problems/too-large"));
    reply = raw_exchange(server, PREDICT "Content-Type: image/png\r\nContent-Length: 5000000\r\n"
                                         "Expect: 100-continue\r\n\r\n");
    assert_true(starts_with(reply, "HTTP/1.1 413 "));
    reply = raw_exchange(server, "GET /livez HTTP/1.1\r\n" HOST CLOSE "Content-Length: 4\r\n\r\nabcd");
    assert_true(starts_with(reply, "HTTP/1.1 413 "));
}

static void chunked_body_that_grows_too_large_is_refused(void **state)
{
    (void)state;
    const size_t chunk = 1 << 16;
    char *chunk_bytes = malloc(chunk + 32);
    int length = sprintf(chunk_bytes, "%zx\r\n", chunk);
    memset(chunk_bytes + length, 'x', chunk);
    memcpy(chunk_bytes + length + chunk, "\r\n", 2);
    int fd = raw_connect(server);
    const char *head = PREDICT CLOSE "Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n";
    raw_send(fd, head, strlen(head));
    for (size_t i = 0; i < 72; i++) /* 4.5 MiB of at most 4 */
        raw_send(fd, chunk_bytes, (size_t)length + chunk + 2);
    raw_send(fd, "0\r\n\r\n", 5);
    char reply[4096];
    raw_read_all(fd, reply, sizeof reply);
    close(fd);
    free(chunk_bytes);
    assert_true(starts_with(reply, "HTTP/1.1 413 "));
    assert_non_null(strstr(reply, "at most 4194304 bytes"));
}

static void client_that_asks_first_is_told_to_continue(void **state)
{
    (void)state;
    int fd = raw_connect(server);
    const char *head =
        PREDICT CLOSE "Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    raw_send(fd, head, strlen(head));
    char reply[4096] = "";
    assert_int_equal(recv(fd, reply, 25, MSG_WAITALL), 25);
    assert_string_equal(reply, "HTTP/1.1 100 Continue\r\n\r\n");
    raw_send(fd, "{}", 2);
    raw_read_all(fd, reply, sizeof reply);
    close(fd);
    assert_true(starts_with(reply, "HTTP/1.1 422 "));
}

static void refused_body_leaves_the_connection_usable(void **state)
{
    (void)state;
    const char *reply =
        raw_exchange(server, PREDICT "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
                                     "GET /livez HTTP/1.1\r\n" HOST CLOSE "\r\n");
    assert_true(starts_with(reply, "HTTP/1.1 415 "));
    assert_non_null(strstr(reply, "HTTP/1.1 200 OK"));
}

static void headers_that_are_too_large_are_refused(void **state)
{
    (void)state;
    const size_t size = 40000;
    char *request = malloc(size + 100);
    int length = sprintf(request, "GET /livez HTTP/1.1\r\n" HOST "X-Large: ");
    memset(request + length, 'x', size);
    strcpy(request + (size_t)length + size, "\r\n\r\n");
    assert_true(starts_with(raw_exchange(server, request), "HTTP/1.1 431 "));
    free(request);
    assert_int_equal(get(server, "/livez")->status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_is_told_in_json),
        cmocka_unit_test(version_names_program_and_core_type),
        cmocka_unit_test(unknown_path_is_a_404_that_names_it),
        cmocka_unit_test(path_that_leads_upwards_finds_nothing),
        cmocka_unit_test(encoded_nul_is_refused),
        cmocka_unit_test(bytes_that_are_no_utf8_are_shown_as_ascii),
        cmocka_unit_test(wrong_method_is_a_405_with_allow),
        cmocka_unit_test(options_tells_the_methods),
        cmocka_unit_test(head_is_get_without_a_body),
        cmocka_unit_test(query_parameter_is_known_and_given_once),
        cmocka_unit_test(page_is_compressed_for_who_accepts_it),
        cmocka_unit_test(page_that_is_known_is_not_sent_again),
        cmocka_unit_test(page_can_be_served_from_a_folder),
        cmocka_unit_test(every_reply_forbids_foreign_code_and_frames),
        cmocka_unit_test(ambiguous_framing_ends_the_connection),
        cmocka_unit_test(length_that_is_no_number_is_refused),
        cmocka_unit_test(host_must_be_one_that_is_served),
        cmocka_unit_test(page_of_another_site_may_not_write),
        cmocka_unit_test(media_type_must_be_one_that_the_route_takes),
        cmocka_unit_test(body_that_is_too_large_is_refused_before_it_is_read),
        cmocka_unit_test(chunked_body_that_grows_too_large_is_refused),
        cmocka_unit_test(client_that_asks_first_is_told_to_continue),
        cmocka_unit_test(refused_body_leaves_the_connection_usable),
        cmocka_unit_test(headers_that_are_too_large_are_refused),
    };
    static const char *const arguments[] = {
        "--allow-host", "digits.example,other.example", "--header-timeout", "1", "--body-timeout", "1", NULL};
    return run_with_server("http", tests, sizeof tests / sizeof *tests, arguments, &server);
}
