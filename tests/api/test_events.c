/* The log of events, in pages and in streams. */
#include "tests/api/harness.h"
#include "tests/api/streams.h"
#include "tests/api/training.h"

#include <stdlib.h>

#define CROWD 100 /* streams at once */

/* As QUICK_JOB, and no alias moves for it. */
#define UNPROMOTED_JOB                                                                                       \
    "{" TINY_MODEL ",\"promotion\":\"never\",\"training\":{\"epochs\":2,\"train_limit\":500}}"

static struct server *server;

static const char *path_of(const char *id)
{
    static char path[64];
    snprintf(path, sizeof path, "/api/v1/jobs/%s/events", id);
    return path;
}

static const char *text_in(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text ? text : "";
}

/* The job runs to its end. */
static void run_quick_job(char id[JOB_ID_SIZE])
{
    start_job(server, UNPROMOTED_JOB, id);
    wait_for_state(server, id, "succeeded");
}

static const char *const life[] = {"queued", "running", "1", "2", "succeeded"};
#define LIFE (sizeof life / sizeof *life)

/* The i-th event of a quick job's life. */
static void assert_life(const json_t *event, size_t i, const char *id)
{
    const json_t *data = json_object_get(event, "data");
    assert_string_equal(text_in(event, "job"), id);
    if (strcmp(text_in(event, "type"), "metrics") == 0)
        assert_int_equal(json_integer_value(json_object_get(data, "epoch")), strtol(life[i], NULL, 10));
    else
        assert_string_equal(text_in(data, "to"), life[i]);
}

/* ---- Pages ----------------------------------------------------------------------------------------- */

static void pages_tell_the_life_of_a_job_in_order(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[128];
    run_quick_job(id);
    const struct response *page = get(server, path_of(id));
    assert_int_equal(page->status, 200);
    assert_int_equal(json_array_size(json_at(page, "/data")), LIFE);
    assert_true(json_is_false(json_at(page, "/has_more")));
    for (size_t i = 0; i < LIFE; i++)
        assert_life(json_array_get(json_at(page, "/data"), i), i, id);

    long long second = integer_at(page, "/data/1/id");
    snprintf(path, sizeof path, "%s?after=%lld&limit=2", path_of(id), second);
    page = get(server, path);
    assert_int_equal(json_array_size(json_at(page, "/data")), 2);
    assert_true(json_is_true(json_at(page, "/has_more")));
    assert_life(json_at(page, "/data/0"), 2, id);
}

static void events_cannot_be_asked_for_what_is_not_there(void **state)
{
    (void)state;
    assert_problem(get(server, "/api/v1/events?after=-1"), 400, "malformed", "after");
    assert_problem(get(server, "/api/v1/events?after=x&limit=0"), 400, "malformed", "limit");
    assert_problem(get(server, "/api/v1/jobs/job_0123456789abcdef/events"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/jobs/nonsense/events"), 404, "not-found", NULL);
    assert_problem(
        send_call(server, &(struct call){.path = "/api/v1/events", .headers = {"Last-Event-ID: yesterday"}}),
        400, "malformed", "Last-Event-ID");
}

static void a_deleted_job_is_missed_and_its_end_is_told(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[64];
    struct message message;
    run_quick_job(id);
    struct stream *stream = stream_open(server, "/api/v1/events", NULL);
    snprintf(path, sizeof path, "/api/v1/jobs/%s", id);
    assert_int_equal(send_call(server, &(struct call){.method = "DELETE", .path = path})->status, 204);
    assert_true(stream_next_durable(stream, &message));
    assert_string_equal(text_in(message.data, "job"), id);
    assert_string_equal(text_in(json_object_get(message.data, "data"), "to"), "deleted");
    stream_close(stream);
    assert_int_equal(get(server, path_of(id))->status, 404);
    assert_int_equal(send_call(server, &(struct call){.method = "DELETE", .path = path})->status, 404);
}

static void a_job_tells_what_it_promotes_before_it_ends(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[128];
    struct message message;
    start_job(server,
              "{" TINY_MODEL ",\"promotion\":\"always\",\"training\":{\"epochs\":2,\"train_limit\":500}}",
              id);
    wait_for_state(server, id, "succeeded");
    const struct response *page = get(server, path_of(id));
    assert_int_equal(json_array_size(json_at(page, "/data")), LIFE + 1);
    assert_string_equal(text_at(page, "/data/4/type"), "alias");
    assert_string_equal(text_at(page, "/data/4/data/alias"), "production");
    assert_string_equal(text_at(page, "/data/5/data/to"), "succeeded");
    snprintf(path, sizeof path, "%s?after=%lld", path_of(id), integer_at(page, "/data/3/id"));
    struct stream *stream = stream_open(server, path, NULL);
    assert_true(stream_next(stream, &message));
    assert_string_equal(message.type, "alias");
    assert_true(stream_next(stream, &message));
    assert_false(stream_next(stream, &message));
    stream_close(stream);
}

static void a_job_tells_where_it_stopped_and_goes_on(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[128];
    start_job(server, ENDLESS_JOB, id);
    wait_for_epoch(server, id, 1);
    static const char *const orders[] = {"pause", "resume"},
                             *const messages[] = {"stops with a checkpoint after step ",
                                                  "continues from its checkpoint, after step "};
    long long after = 0;
    char steps[2][32];
    for (int i = 0; i < 2; i++) {
        const char *message = NULL;
        snprintf(path, sizeof path, "/api/v1/jobs/%s/%s", id, orders[i]);
        assert_int_equal(send_call(server, &(struct call){.method = "POST", .path = path})->status, 202);
        snprintf(path, sizeof path, "%s?after=%lld", path_of(id), after);
        struct stream *stream = stream_open(server, path, NULL);
        struct message event;
        while (!message) {
            assert_true(stream_next_durable(stream, &event));
            after = event.id;
            if (strcmp(event.type, "log") == 0)
                message = text_in(json_object_get(event.data, "data"), "message");
        }
        assert_string_equal(text_in(json_object_get(event.data, "data"), "level"), "info");
        assert_int_equal(strncmp(message, messages[i], strlen(messages[i])), 0);
        assert_int_equal(sscanf(message + strlen(messages[i]), "%31[0-9]", steps[i]), 1);
        stream_close(stream);
    }
    assert_string_equal(steps[1], steps[0]);
    assert_int_equal(cancel_job(server, id)->status, 202);
}

/* ---- Streams --------------------------------------------------------------------------------------- */

static void a_stream_of_a_job_tells_its_life_and_ends(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    struct message message;
    size_t count = 0, progress = 0;
    start_job(server,
              "{" TINY_MODEL ",\"promotion\":\"never\",\"training\":{\"epochs\":2,\"train_limit\":60000}}",
              id);
    struct stream *stream = stream_open(server, path_of(id), NULL);
    assert_int_equal(stream_status(stream), 200);
    assert_non_null(strstr(stream_head(stream), "\r\nContent-Type: text/event-stream"));
    assert_non_null(strstr(stream_head(stream), "\r\nCache-Control: no-store"));
    assert_non_null(strstr(stream_head(stream), "\r\nX-Accel-Buffering: no"));
    for (long long last = 0; stream_next(stream, &message);) {
        assert_string_equal(message.type, text_in(message.data, "type"));
        if (message.id == 0) {
            assert_string_equal(message.type, "progress");
            assert_true(json_is_null(json_object_get(message.data, "id")));
            progress++;
            continue;
        }
        assert_true(message.id > last);
        assert_int_equal(json_integer_value(json_object_get(message.data, "id")), message.id);
        last = message.id;
        assert_true(count < LIFE);
        assert_life(message.data, count++, id);
    }
    assert_int_equal(count, LIFE);
    assert_true(progress > 0);
    assert_string_equal(stream_preamble(stream), "retry: 2000");
    stream_close(stream);
}

static void a_stream_goes_on_after_the_event_that_was_read_last(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], header[64], path[128];
    struct message message;
    run_quick_job(id);
    const struct response *page = get(server, path_of(id));
    long long third = integer_at(page, "/data/2/id"), last = integer_at(page, "/data/4/id");

    snprintf(header, sizeof header, "Last-Event-ID: %lld", third);
    snprintf(path, sizeof path, "%s?after=1", path_of(id)); /* as it was at first; the header counts */
    struct stream *stream = stream_open(server, path, header);
    for (size_t i = 3; i < LIFE; i++) {
        assert_true(stream_next_durable(stream, &message));
        assert_life(message.data, i, id);
    }
    assert_false(stream_next(stream, &message));
    stream_close(stream);

    snprintf(path, sizeof path, "%s?after=%lld", path_of(id), third);
    stream = stream_open(server, path, NULL);
    assert_true(stream_next_durable(stream, &message));
    assert_life(message.data, 3, id);
    stream_close(stream);

    snprintf(header, sizeof header, "Last-Event-ID: %lld", last);
    stream = stream_open(server, path_of(id), header);
    assert_int_equal(stream_status(stream), 204);
    stream_close(stream);
}

static void a_stream_of_all_begins_now_or_where_it_is_told(void **state)
{
    (void)state;
    char before[JOB_ID_SIZE], after[JOB_ID_SIZE];
    struct message message;
    run_quick_job(before);
    struct stream *now = stream_open(server, "/api/v1/events", NULL);
    struct stream *all = stream_open(server, "/api/v1/events?after=0", NULL);
    run_quick_job(after);
    for (size_t i = 0; i < LIFE; i++) {
        assert_true(stream_next_durable(now, &message));
        assert_life(message.data, i, after);
    }
    long long expected = 1;
    do {
        assert_true(stream_next_durable(all, &message));
        assert_int_equal(message.id, expected++); /* none was pruned */
    } while (strcmp(text_in(message.data, "job"), after) != 0 ||
             strcmp(text_in(json_object_get(message.data, "data"), "to"), "succeeded") != 0);
    stream_close(now);
    stream_close(all);
}

static void every_stream_gets_every_event_once_and_in_order(void **state)
{
    (void)state;
    struct stream *streams[CROWD];
    char ids[5][JOB_ID_SIZE];
    struct message message;
    for (int i = 0; i < CROWD; i++)
        streams[i] = stream_open(server, "/api/v1/events", NULL);
    for (int i = 0; i < 5; i++)
        start_job(server, UNPROMOTED_JOB, ids[i]);
    wait_for_state(server, ids[4], "succeeded");
    long long first = 0;
    for (int i = 0; i < CROWD; i++) {
        for (long long j = 0; j < 5 * (long long)LIFE; j++) {
            assert_true(stream_next_durable(streams[i], &message));
            first = first ? first : message.id;
            assert_int_equal(message.id, first + j);
        }
        stream_close(streams[i]);
    }
}

static void there_may_be_as_many_streams_as_is_set(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--event-streams", "2", NULL};
    struct server *narrow = server_start(arguments);
    struct stream *first = stream_open(narrow, "/api/v1/events", NULL);
    struct stream *second = stream_open(narrow, "/api/v1/events", NULL);
    struct stream *third = stream_open(narrow, "/api/v1/events", NULL);
    assert_int_equal(stream_status(third), 429);
    assert_non_null(strstr(stream_head(third), "\r\nRetry-After: "));
    stream_close(third);
    stream_close(first);
    for (long status = 429; status != 200;) { /* once the server has seen it go */
        third = stream_open(narrow, "/api/v1/events", NULL);
        status = stream_status(third);
        stream_close(third);
    }
    stream_close(second);
    server_stop(narrow);
}

static void the_end_of_the_service_ends_its_streams(void **state)
{
    (void)state;
    struct message message;
    char id[JOB_ID_SIZE];
    struct server *other = server_start(NULL);
    struct stream *all = stream_open(other, "/api/v1/events", NULL);
    start_job(other, ENDLESS_JOB, id);
    struct stream *one = stream_open(other, path_of(id), NULL);
    wait_for_epoch(other, id, 1);
    server_tell_to_end(other);
    while (stream_next(all, &message))
        ;
    while (stream_next(one, &message))
        ;
    server_stop(other);
    stream_close(all);
    stream_close(one);
}

static void a_head_request_opens_no_stream(void **state)
{
    (void)state;
    const struct response *response = send_call(
        server,
        &(struct call){.method = "HEAD", .path = "/api/v1/events", .headers = {"Accept: text/event-stream"}});
    assert_int_equal(response->status, 200);
    assert_string_equal(response_header(response, "Content-Type"), "text/event-stream");
}

/* Of thousands; tests/server/test_event_streams.c shows that they do not wait in memory. */
static void a_client_that_reads_late_gets_every_event_in_order(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    struct message message;
    start_job(server, ENDLESS_JOB, id);
    wait_for_epoch(server, id, 1);
    struct stream *slow = stream_open(server, "/api/v1/events", NULL);
    int changes = 0;
    for (; changes < 2000; changes += 2) {
        char other[JOB_ID_SIZE];
        start_job(server, UNPROMOTED_JOB, other);
        assert_int_equal(cancel_job(server, other)->status, 202);
    }
    long long last = 0;
    for (int seen = 0; seen < changes; seen++) {
        do
            assert_true(stream_next_durable(slow, &message));
        while (strcmp(text_in(message.data, "job"), id) == 0);
        assert_true(last == 0 || message.id > last);
        last = message.id;
    }
    stream_close(slow);
    assert_int_equal(cancel_job(server, id)->status, 202);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_tell_the_life_of_a_job_in_order),
        cmocka_unit_test(a_job_tells_what_it_promotes_before_it_ends),
        cmocka_unit_test(events_cannot_be_asked_for_what_is_not_there),
        cmocka_unit_test(a_deleted_job_is_missed_and_its_end_is_told),
        cmocka_unit_test(a_job_tells_where_it_stopped_and_goes_on),
        cmocka_unit_test(a_stream_of_a_job_tells_its_life_and_ends),
        cmocka_unit_test(a_stream_goes_on_after_the_event_that_was_read_last),
        cmocka_unit_test(a_stream_of_all_begins_now_or_where_it_is_told),
        cmocka_unit_test(every_stream_gets_every_event_once_and_in_order),
        cmocka_unit_test(there_may_be_as_many_streams_as_is_set),
        cmocka_unit_test(the_end_of_the_service_ends_its_streams),
        cmocka_unit_test(a_head_request_opens_no_stream),
        cmocka_unit_test(a_client_that_reads_late_gets_every_event_in_order),
    };
    return run_with_server("events", tests, sizeof tests / sizeof *tests, NULL, &server);
}
