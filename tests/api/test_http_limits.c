/* The limits of the HTTP layer: connections, memory, deadlines; and its end. */
#include "tests/api/http_setup.h"

/* ---- Limits ------------------------------------------------------------------------------------------- */

/* Asks on a connection that stays open, and reads all of the answer. */
static void expect_livez_on(int fd)
{
    char reply[2048];
    size_t length = 0;
    raw_send(fd, GET_LIVEZ(HOST), strlen(GET_LIVEZ(HOST)));
    do {
        ssize_t got = recv(fd, reply + length, sizeof reply - 1 - length, 0);
        assert_true(got > 0);
        length += (size_t)got;
        reply[length] = '\0';
    } while (!strstr(reply, "{\"status\":\"alive\"}"));
    assert_true(starts_with(reply, "HTTP/1.1 200 OK"));
}

static void connection_beyond_the_limit_is_closed(void **state)
{
    (void)state;
    static const char *const limits[][5] = {
        {"--http-threads", "1", "--max-connections", "2", NULL},
        {"--http-threads", "1", "--max-connections-per-address", "2", NULL}};
    for (size_t i = 0; i < 2; i++) {
        struct server *other = server_start(limits[i]);
        int first = raw_connect(other), second = raw_connect(other);
        expect_livez_on(first);
        expect_livez_on(second);
        char reply[64];
        int third = raw_connect(other);
        send(third, GET_LIVEZ(HOST), strlen(GET_LIVEZ(HOST)), MSG_NOSIGNAL); /* it may be closed already */
        assert_int_equal(raw_read_all(third, reply, sizeof reply), 0);
        close(third);
        expect_livez_on(first);
        close(first);
        close(second);
        server_stop(other);
    }
}

#define LARGE_BODY ((size_t)4 << 20)

/* All but the last byte of a large body. */
static int begin_large_body(const struct server *other, const uint8_t *body)
{
    const char *head = PREDICT CLOSE "Content-Type: image/png\r\nContent-Length: 4194304\r\n\r\n";
    int fd = raw_connect(other);
    raw_send(fd, head, strlen(head));
    raw_send(fd, body, LARGE_BODY - 1);
    return fd;
}

/* Sends the last byte; whether there was memory for the body. */
static bool end_large_body(int fd, const uint8_t *body)
{
    char reply[4096];
    raw_send(fd, body, 1);
    raw_read_all(fd, reply, sizeof reply);
    close(fd);
    bool refused = starts_with(reply, "HTTP/1.1 503 ") && strstr(reply, "/problems/overloaded");
    if (!refused && !starts_with(reply, "HTTP/1.1 422 "))
        fail_msg("%s", reply);
    return !refused;
}

static void memory_of_all_bodies_is_limited(void **state)
{
    (void)state;
    static const char *const limit[] = {"--body-memory", "16M", NULL};
    struct server *other = server_start(limit);
    uint8_t *body = calloc(1, LARGE_BODY);
    int fds[8], taken = 0;
    for (size_t i = 0; i < 8; i++)
        fds[i] = begin_large_body(other, body);
    for (size_t i = 0; i < 8; i++)
        taken += end_large_body(fds[i], body);
    assert_in_range(taken, 0, 7); /* 4 fit at once, fewer while all of them grow, more when some end early */
    assert_true(end_large_body(begin_large_body(other, body), body));
    free(body);
    server_stop(other);
}

/* ---- Deadlines ---------------------------------------------------------------------------------------- */

static void slow_request_is_ended_with_408(void **state)
{
    (void)state;
    static const char *const requests[] = {"GET /livez HTTP/1.1\r\nHost: 127", PREDICT
                                           "Content-Type: image/png\r\nContent-Length: 100\r\n\r\nhalf"};
    for (size_t i = 0; i < 2; i++) {
        const char *reply = raw_exchange(server, requests[i]);
        if (!starts_with(reply, "HTTP/1.1 408 ") || !strstr(reply, "/problems/timeout"))
            fail_msg("%s\n-> %s", requests[i], reply);
    }
}

static void byte_now_and_then_does_not_outlive_the_deadline(void **state)
{
    (void)state;
    int fd = raw_connect(server);
    char reply[4096];
    const char *head = "GET /livez HTTP/1.1\r\nX: ";
    raw_send(fd, head, strlen(head));
    bool open = true;
    for (int i = 0; i < 600 && open; i++) { /* ends long before, unless each byte renews the deadline */
        usleep(100000);
        open =
            recv(fd, reply, sizeof reply, MSG_PEEK | MSG_DONTWAIT) < 0 && send(fd, "x", 1, MSG_NOSIGNAL) == 1;
    }
    assert_false(open);
    raw_read_all(fd, reply, sizeof reply);
    close(fd);
    assert_true(starts_with(reply, "HTTP/1.1 408 "));
}

static void silent_connection_is_closed(void **state)
{
    (void)state;
    char reply[64];
    int fd = raw_connect(server);
    assert_int_equal(raw_read_all(fd, reply, sizeof reply), 0);
    close(fd);
}

/* ---- The end ------------------------------------------------------------------------------------------ */

static void sigterm_finishes_what_is_under_way(void **state)
{
    (void)state;
    struct server *other = server_start(NULL);
    int idle = raw_connect(other), busy = raw_connect(other);
    const char *head =
        PREDICT "Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    char reply[4096] = "";
    raw_send(idle, GET_LIVEZ(HOST), strlen(GET_LIVEZ(HOST)));
    assert_int_equal(recv(idle, reply, 12, MSG_WAITALL), 12);
    raw_send(busy, head, strlen(head));
    assert_int_equal(recv(busy, reply, 25, MSG_WAITALL), 25); /* 100 Continue: now it is under way */
    server_tell_to_end(other);
    usleep(200000); /* not needed for the result: it makes the body arrive while the server drains */
    raw_send(busy, "{}", 2);
    raw_read_all(busy, reply, sizeof reply);
    assert_true(starts_with(reply, "HTTP/1.1 422 "));
    assert_non_null(strstr(reply, "Connection: close\r\n"));
    raw_read_all(idle, reply, sizeof reply);
    close(idle);
    close(busy);
    server_stop(other);
}

/* Clients that reset their connection while a worker has their request: many, so that some do so before its reply. */
static void clients_that_left_do_not_keep_the_server_from_ending(void **state)
{
    (void)state;
    struct server *other = server_start(NULL);
    const char *request = "GET /api/v1/jobs HTTP/1.1\r\n" HOST "\r\n";
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < 2000; i++) {
        int fd = raw_connect(other);
        raw_send(fd, request, strlen(request));
        usleep((useconds_t)(i % 20) * 20);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    server_stop(other);
}

static void address_that_others_reach_needs_consent(void **state)
{
    (void)state;
    char command[512];
    const char *program = getenv("DIGITD_BINARY");
    snprintf(command, sizeof command, "%s serve --no-bootstrap --listen 0.0.0.0:0 --store '%s/refused' 2>&1",
             program ? program : "build/digitd", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char text[1024];
    size_t size = fread(text, 1, sizeof text - 1, pipe);
    text[size] = '\0';
    assert_int_equal(pclose(pipe), 1 << 8);
    assert_non_null(strstr(text, "--no-auth"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_beyond_the_limit_is_closed),
        cmocka_unit_test(memory_of_all_bodies_is_limited),
        cmocka_unit_test(slow_request_is_ended_with_408),
        cmocka_unit_test(byte_now_and_then_does_not_outlive_the_deadline),
        cmocka_unit_test(silent_connection_is_closed),
        cmocka_unit_test(sigterm_finishes_what_is_under_way),
        cmocka_unit_test(clients_that_left_do_not_keep_the_server_from_ending),
        cmocka_unit_test(address_that_others_reach_needs_consent),
    };
    static const char *const arguments[] = {
        "--allow-host", "digits.example,other.example", "--header-timeout", "1", "--body-timeout", "1", NULL};
    return run_with_server("http_limits", tests, sizeof tests / sizeof *tests, arguments, &server);
}
