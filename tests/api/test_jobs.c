/* Training through the API, kills of the server included. */
#include "tests/api/harness.h"
#include "tests/api/training.h"

#include <stdlib.h>
#include <time.h>

/* KiB that 4,000 requests may add: half a KiB of each would show. Sanitizers keep freed memory aside. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define MEMORY_GROWTH_MAX (512 << 10)
#else
#define MEMORY_GROWTH_MAX 2048
#endif

static struct server *server;

/* ---- POST /api/v1/jobs ----------------------------------------------------------------------------- */

static void a_job_is_accepted_with_every_default_filled_in(void **state)
{
    (void)state;
    const struct response *response = post_json(server, "/api/v1/jobs", "{}");
    assert_int_equal(response->status, 202);
    char id[JOB_ID_SIZE], location[64];
    snprintf(id, sizeof id, "%s", text_at(response, "/id"));
    snprintf(location, sizeof location, "/api/v1/jobs/%s", id);
    assert_string_equal(response_header(response, "Location"), location);
    assert_string_equal(text_at(response, "/config/name"), "digits");
    assert_string_equal(text_at(response, "/config/dataset"), "mnist");
    assert_string_equal(text_at(response, "/config/promotion"), "if_better");
    assert_int_equal(integer_at(response, "/config/training/epochs"), 10);
    assert_int_equal(integer_at(response, "/config/training/batch_size"), 64);
    assert_string_equal(text_at(response, "/config/model/layers/0/type"), "conv2d");
    assert_true(json_is_null(json_at(response, "/result")));
    assert_true(json_is_null(json_at(response, "/error")));
    assert_int_equal(cancel_job(server, id)->status, 202);
}

static void a_broken_request_is_refused_by_the_name_of_its_field(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        long status;
        const char *slug, *pointer, *says;
    } faults[] = {
        {"", 400, "malformed", NULL, "empty"},
        {"{", 400, "malformed", NULL, "line 1"},
        {"[]", 400, "malformed", NULL, "object"},
        {"ten", 400, "malformed", NULL, "line 1"},
        {"{\"training\":{\"epochs\":NaN}}", 400, "malformed", NULL, "NaN"},
        {"{\"training\":{\"epochs\":1,\"epochs\":2}}", 400, "malformed", NULL, "epochs"},
        {"{} {}", 400, "malformed", NULL, "line 1"},
        {"{\"training\":{\"epochs\":-1}}", 422, "invalid", "/training/epochs", "-1"},
        {"{\"training\":{\"epochs\":1e9}}", 422, "invalid", "/training/epochs", "1000"},
        {"{\"training\":{\"epochs\":\"ten\"}}", 422, "invalid", "/training/epochs", "ten"},
        {"{\"training\":{\"epochs\":2.5}}", 422, "invalid", "/training/epochs", "2.5"},
        {"{\"training\":{\"learning_rate\":1e999}}", 400, "malformed", NULL, "line 1"},
        {"{\"training\":{\"speed\":1}}", 422, "invalid", "/training/speed", "speed"},
        {"{\"epochs\":3}", 422, "invalid", "/epochs", "epochs"},
        {"{\"name\":\"../../etc\"}", 422, "invalid", "/name", "a-z"},
        {"{\"dataset\":\"cifar\"}", 422, "invalid", "/dataset", "mnist"},
        {"{\"promotion\":\"yes\"}", 422, "invalid", "/promotion", "if_better"},
        {"{\"model\":{\"preset\":\"gigantic\"}}", 422, "invalid", "/model/preset", "reference"},
        {"{\"model\":{\"layers\":[{\"type\":\"dense\",\"units\":10}]}}", 422, "invalid",
         "/model/layers/0/type", "flatten"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const struct response *response = send_call(server, &(struct call){.method = "POST",
                                                                           .path = "/api/v1/jobs",
                                                                           .media_type = "application/json",
                                                                           .body = faults[i].body});
        if (response->status != faults[i].status)
            fail_msg("%s: %ld %s", faults[i].body, response->status, response->body);
        assert_problem(response, faults[i].status, faults[i].slug, faults[i].pointer);
        if (!strstr(response->body, faults[i].says))
            fail_msg("%s: \"%s\" is not in %s", faults[i].body, faults[i].says, response->body);
    }
    assert_int_equal(json_array_size(json_at(get(server, "/api/v1/jobs?status=queued"), "/data")), 0);
}

static void all_faults_of_a_request_come_at_once(void **state)
{
    (void)state;
    const char *body = "{\"dataset\":\"cifar\",\"training\":{\"epochs\":0,\"batch_size\":5000},\"x\":1}";
    static const char *const pointers[] = {"/dataset", "/training/epochs", "/training/batch_size", "/x"};
    const struct response *response = post_json(server, "/api/v1/jobs", body);
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++)
        assert_problem(response, 422, "invalid", pointers[i]);
    assert_int_equal(json_array_size(json_at(response, "/errors")), 4);
}

static void a_body_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    size_t size = 70000;
    char *body = malloc(size + 1);
    memset(body, ' ', size);
    body[0] = '{';
    body[size - 1] = '}';
    body[size] = '\0';
    assert_problem(post_json(server, "/api/v1/jobs", body), 413, "too-large", NULL);
    free(body);
}

static void broken_requests_leave_no_memory_behind(void **state)
{
    (void)state;
    const char *body = "{\"dataset\":\"cifar\",\"training\":{\"epochs\":\"ten\"},\"model\":{\"layers\":[7]}}";
    struct server *quiet = server_start(NULL);
    for (int i = 0; i < 500; i++)
        assert_int_equal(post_json(quiet, "/api/v1/jobs", body)->status, 422);
    long before = server_memory(quiet);
    for (int i = 0; i < 4000; i++)
        assert_int_equal(post_json(quiet, "/api/v1/jobs", body)->status, 422);
    assert_in_range(server_memory(quiet), 1, before + MEMORY_GROWTH_MAX);
    server_stop(quiet);
}

static void a_repeated_request_with_its_key_starts_one_job(void **state)
{
    (void)state;
    struct call call = {.path = "/api/v1/jobs",
                        .media_type = "application/json",
                        .body = ENDLESS_JOB,
                        .headers = {"Idempotency-Key: only-once"}};
    char id[JOB_ID_SIZE], spaced[sizeof ENDLESS_JOB + 2];
    snprintf(id, sizeof id, "%s", text_at(send_call(server, &call), "/id"));
    snprintf(spaced, sizeof spaced, " %s ", ENDLESS_JOB);
    call.body = spaced;
    const struct response *again = send_call(server, &call);
    assert_int_equal(again->status, 202);
    assert_string_equal(text_at(again, "/id"), id);
    call.body = QUICK_JOB;
    assert_problem(send_call(server, &call), 409, "conflict", NULL);
    char header[200] = "Idempotency-Key: ";
    memset(header + strlen(header), 'k', 129);
    call.headers[0] = header;
    assert_problem(send_call(server, &call), 400, "malformed", NULL);
    assert_int_equal(cancel_job(server, id)->status, 202);
}

static void a_repeated_request_gives_its_job_when_what_it_builds_on_is_gone(void **state)
{
    (void)state;
    struct call call = {.path = "/api/v1/jobs",
                        .media_type = "application/json",
                        .body = "{\"name\":\"built-on\",\"init_from\":{\"model\":\"fading\",\"version\":1},"
                                "\"promotion\":\"never\",\"training\":{\"epochs\":1,\"train_limit\":500}}",
                        .headers = {"Idempotency-Key: fading"}};
    const struct call removal = {.method = "DELETE", .path = "/api/v1/models/fading/versions/1"};
    char origin[JOB_ID_SIZE], id[JOB_ID_SIZE];
    start_job(server,
              "{\"name\":\"fading\",\"promotion\":\"never\"," TINY_MODEL
              ",\"training\":{\"epochs\":1,\"train_limit\":500}}",
              origin);
    wait_for_state(server, origin, "succeeded");
    snprintf(id, sizeof id, "%s", text_at(send_call(server, &call), "/id"));
    wait_for_state(server, id, "succeeded");
    assert_int_equal(send_call(server, &removal)->status, 204);
    const struct response *again = send_call(server, &call);
    assert_int_equal(again->status, 202);
    assert_string_equal(text_at(again, "/id"), id);
    call.headers[0] = "Idempotency-Key: too-late";
    assert_problem(send_call(server, &call), 422, "invalid", "/init_from/version");
}

static void a_full_queue_says_when_to_come_again(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--queue-limit", "1", NULL};
    struct server *narrow = server_start(arguments);
    char running[JOB_ID_SIZE], waiting[JOB_ID_SIZE];
    start_job(narrow, ENDLESS_JOB, running);
    wait_for_state(narrow, running, "running");
    start_job(narrow, QUICK_JOB, waiting);
    const struct response *response = post_json(narrow, "/api/v1/jobs", QUICK_JOB);
    assert_problem(response, 429, "busy", NULL);
    assert_true(strtol(response_header(response, "Retry-After"), NULL, 10) > 0);
    assert_int_equal(cancel_job(narrow, running)->status, 202);
    wait_for_state(narrow, waiting, "succeeded");
    server_stop(narrow);
}

static void a_job_beyond_the_memory_limit_is_refused(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--memory-limit", "70M", NULL};
    struct server *poor = server_start(arguments);
    const struct response *response = post_json(poor, "/api/v1/jobs", "{\"model\":{\"preset\":\"large\"}}");
    assert_problem(response, 422, "invalid", "/model");
    assert_non_null(strstr(response->body, "memory-limit"));
    char id[JOB_ID_SIZE];
    start_job(poor, QUICK_JOB, id);
    wait_for_state(poor, id, "succeeded");
    server_stop(poor);
}

/* ---- Reading --------------------------------------------------------------------------------------- */

static void a_job_runs_to_its_result(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    start_job(server, QUICK_JOB, id);
    const struct response *job = wait_for_state(server, id, "succeeded");
    assert_string_equal(text_at(job, "/result/model/name"), "digits");
    assert_true(integer_at(job, "/result/model/version") >= 1);
    assert_int_equal(integer_at(job, "/result/parameters"), 8 * 9 + 8 + 3 * 3 * 8 * 10 + 10);
    assert_true(json_number_value(json_at(job, "/result/test_accuracy")) > 0.1);
    assert_true(json_number_value(json_at(job, "/result/test_loss")) > 0);
    assert_true(json_number_value(json_at(job, "/result/training_seconds")) > 0);
    assert_true(json_is_null(json_at(job, "/progress")));
    assert_true(json_is_null(json_at(job, "/error")));
    assert_true(strcmp(text_at(job, "/created_at"), text_at(job, "/started_at")) <= 0);
    assert_true(strcmp(text_at(job, "/started_at"), text_at(job, "/finished_at")) <= 0);
}

static void progress_tells_where_a_running_job_is(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    start_job(server, ENDLESS_JOB, id);
    wait_for_epoch(server, id, 1);
    const struct response *job = get_job(server, id);
    assert_int_equal(integer_at(job, "/progress/epochs"), 1000);
    assert_int_equal(integer_at(job, "/progress/steps"), 844); /* 54,000 images in batches of 64 */
    assert_in_range(integer_at(job, "/progress/step"), 0, 844);
    assert_non_null(strstr(response_header(job, "ETag"), "\""));
    while (json_is_null(json_at(job, "/progress/eta_seconds")))
        job = get_job(server, id);
    assert_true(json_number_value(json_at(job, "/progress/images_per_second")) > 0);
    assert_true(json_number_value(json_at(job, "/progress/eta_seconds")) > 0);
    assert_int_equal(cancel_job(server, id)->status, 202);
}

static void a_job_that_rests_is_not_sent_again(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[64], header[128];
    start_job(server, QUICK_JOB, id);
    snprintf(header, sizeof header, "If-None-Match: %s",
             response_header(wait_for_state(server, id, "succeeded"), "ETag"));
    snprintf(path, sizeof path, "/api/v1/jobs/%s", id);
    const struct response *response = send_call(server, &(struct call){.path = path, .headers = {header}});
    assert_int_equal(response->status, 304);
    assert_int_equal(response->size, 0);
}

static void metrics_hold_each_epoch_and_the_steps_asked_for(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[96];
    start_job(server, "{" TINY_MODEL ",\"training\":{\"epochs\":3,\"train_limit\":1000,\"batch_size\":10}}",
              id);
    wait_for_state(server, id, "succeeded");
    snprintf(path, sizeof path, "/api/v1/jobs/%s/metrics", id);
    const struct response *metrics = get(server, path);
    assert_int_equal(metrics->status, 200);
    assert_int_equal(json_array_size(json_at(metrics, "/epochs")), 3);
    assert_int_equal(integer_at(metrics, "/steps_per_epoch"), 90);
    assert_int_equal(integer_at(metrics, "/epochs/2/epoch"), 3);
    assert_true(json_number_value(json_at(metrics, "/epochs/2/train_loss")) > 0);
    assert_true(json_is_number(json_at(metrics, "/epochs/2/validation_accuracy")));
    assert_int_equal(json_array_size(json_at(metrics, "/steps/step")), 270);
    assert_int_equal(json_array_size(json_at(metrics, "/steps/loss")), 270);

    snprintf(path, sizeof path, "/api/v1/jobs/%s/metrics?max_points=27", id);
    metrics = get(server, path);
    assert_int_equal(json_array_size(json_at(metrics, "/steps/step")), 27);
    assert_int_equal(integer_at(metrics, "/steps/step/0"), 10);
    assert_int_equal(integer_at(metrics, "/steps/step/26"), 270);
    snprintf(path, sizeof path, "/api/v1/jobs/%s/metrics?max_points=1", id);
    assert_problem(get(server, path), 400, "malformed", "max_points");
}

static void metrics_without_validation_are_null(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[96];
    start_job(server,
              "{" TINY_MODEL ",\"training\":{\"epochs\":1,\"train_limit\":200,\"validation_split\":0}}", id);
    const struct response *job = wait_for_state(server, id, "succeeded");
    assert_true(json_is_null(json_at(job, "/result/validation_loss")));
    snprintf(path, sizeof path, "/api/v1/jobs/%s/metrics", id);
    assert_true(json_is_null(json_at(get(server, path), "/epochs/0/validation_accuracy")));
}

static void jobs_are_listed_in_pages_newest_first(void **state)
{
    (void)state;
    char ids[3][JOB_ID_SIZE], path[128];
    for (int i = 0; i < 3; i++)
        start_job(server, QUICK_JOB, ids[i]);
    const struct response *page = get(server, "/api/v1/jobs?limit=2");
    assert_int_equal(json_array_size(json_at(page, "/data")), 2);
    assert_string_equal(text_at(page, "/data/0/id"), ids[2]);
    assert_string_equal(text_at(page, "/data/1/id"), ids[1]);
    assert_true(json_is_true(json_at(page, "/has_more")));
    snprintf(path, sizeof path, "/api/v1/jobs?limit=1&after=%s", ids[1]);
    assert_string_equal(text_at(get(server, path), "/data/0/id"), ids[0]);

    wait_for_state(server, ids[2], "succeeded");
    page = get(server, "/api/v1/jobs?status=succeeded&limit=1");
    assert_string_equal(text_at(page, "/data/0/id"), ids[2]);
    assert_int_equal(json_array_size(json_at(get(server, "/api/v1/jobs?status=paused"), "/data")), 0);
}

static void a_list_cannot_be_asked_for_what_is_not_there(void **state)
{
    (void)state;
    assert_problem(get(server, "/api/v1/jobs?status=asleep"), 400, "malformed", "status");
    assert_problem(get(server, "/api/v1/jobs?limit=0"), 400, "malformed", "limit");
    assert_problem(get(server, "/api/v1/jobs?limit=1001"), 400, "malformed", "limit");
    assert_problem(get(server, "/api/v1/jobs?after=yesterday"), 400, "malformed", "after");
    assert_problem(get(server, "/api/v1/jobs?after=job_0123456789abcdef"), 400, "malformed", "after");
    assert_problem(get(server, "/api/v1/jobs/job_0123456789abcdef"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/jobs/nonsense"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/jobs/job_0123456789abcdef/metrics"), 404, "not-found", NULL);
    assert_problem(cancel_job(server, "job_0123456789abcdef"), 404, "not-found", NULL);
}

/* ---- Pausing, priorities, deleting ----------------------------------------------------------------- */

static const struct response *order(const char *id, const char *what, const char *body)
{
    char path[64];
    snprintf(path, sizeof path, "/api/v1/jobs/%s/%s", id, what);
    return send_call(server, &(struct call){.method = "POST",
                                            .path = path,
                                            .media_type = body ? "application/json" : NULL,
                                            .body = body});
}

static void a_job_is_paused_and_resumed(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    start_job(server, ENDLESS_JOB, id);
    assert_int_equal(order(id, "resume", NULL)->status, 200);
    wait_for_epoch(server, id, 1);
    assert_int_equal(order(id, "resume", NULL)->status, 200);
    const struct response *response = order(id, "pause", NULL);
    assert_int_equal(response->status, 202);
    assert_string_equal(text_at(response, "/state"), "paused");
    assert_true(json_is_null(json_at(response, "/progress")));
    assert_int_equal(order(id, "pause", NULL)->status, 200);
    response = order(id, "resume", NULL);
    assert_int_equal(response->status, 202);
    wait_for_epoch(server, id, 1);
    assert_int_equal(cancel_job(server, id)->status, 202);
    assert_problem(order(id, "pause", NULL), 409, "conflict", NULL);
    assert_problem(order(id, "resume", NULL), 409, "conflict", NULL);
    assert_problem(order("job_0123456789abcdef", "pause", NULL), 404, "not-found", NULL);
}

static void a_waiting_job_is_moved_in_the_queue(void **state)
{
    (void)state;
    char running[JOB_ID_SIZE], first[JOB_ID_SIZE], second[JOB_ID_SIZE];
    start_job(server, ENDLESS_JOB, running);
    wait_for_state(server, running, "running");
    start_job(server, QUICK_JOB, first);
    start_job(server, QUICK_JOB, second);
    assert_int_equal(integer_at(get_job(server, second), "/position"), 2);
    const struct response *response = order(second, "priority", "{\"priority\":1}");
    assert_int_equal(response->status, 202);
    assert_int_equal(integer_at(response, "/priority"), 1);
    assert_int_equal(integer_at(response, "/position"), 1);
    assert_int_equal(integer_at(get_job(server, first), "/position"), 2);
    assert_problem(order(second, "priority", "{\"priority\":101,\"x\":1}"), 422, "invalid", "/priority");
    assert_problem(order(second, "priority", "{}"), 422, "invalid", "/priority");
    assert_problem(order(running, "priority", "{\"priority\":1}"), 409, "conflict", NULL);
    assert_true(json_is_null(json_at(get_job(server, running), "/position")));
    assert_problem(post_json(server, "/api/v1/jobs", "{\"priority\":1e9}"), 422, "invalid", "/priority");
    assert_int_equal(cancel_job(server, running)->status, 202);
    wait_for_state(server, first, "succeeded");
}

static void a_job_that_goes_on_is_not_deleted(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[64];
    start_job(server, ENDLESS_JOB, id);
    snprintf(path, sizeof path, "/api/v1/jobs/%s", id);
    const struct call delete = {.method = "DELETE", .path = path};
    assert_problem(send_call(server, &delete), 409, "conflict", NULL);
    wait_for_epoch(server, id, 1);
    assert_problem(send_call(server, &delete), 409, "conflict", NULL);
    assert_int_equal(cancel_job(server, id)->status, 202);
    assert_int_equal(send_call(server, &delete)->status, 204);
    assert_int_equal(get(server, path)->status, 404);
}

static void the_oldest_finished_jobs_are_forgotten_when_there_are_too_many(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--keep-jobs", "3", NULL};
    struct server *small = server_start(arguments);
    char running[JOB_ID_SIZE], ids[5][JOB_ID_SIZE], path[64];
    start_job(small, ENDLESS_JOB, running);
    wait_for_epoch(small, running, 1);
    for (int i = 0; i < 5; i++) {
        start_job(small, QUICK_JOB, ids[i]);
        assert_int_equal(cancel_job(small, ids[i])->status, 202);
    }
    size_t count = 0;
    for (int i = 0; i < 6000 && count != 4; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        count = json_array_size(json_at(get(small, "/api/v1/jobs"), "/data"));
    }
    assert_int_equal(count, 4);
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "/api/v1/jobs/%s", ids[i]);
        assert_int_equal(get(small, path)->status, i < 2 ? 404 : 200);
    }
    wait_for_state(small, running, "running");
    server_stop(small);
}

static void two_jobs_run_at_once_if_that_is_wanted(void **state)
{
    (void)state;
    static const char *const arguments[] = {"--concurrent-jobs", "2", NULL};
    struct server *wide = server_start(arguments);
    char first[JOB_ID_SIZE], second[JOB_ID_SIZE], third[JOB_ID_SIZE];
    start_job(wide, ENDLESS_JOB, first);
    start_job(wide, ENDLESS_JOB, second);
    start_job(wide, ENDLESS_JOB, third);
    wait_for_epoch(wide, first, 1);
    wait_for_epoch(wide, second, 1);
    assert_string_equal(text_at(get_job(wide, third), "/state"), "queued");
    assert_int_equal(cancel_job(wide, first)->status, 202);
    wait_for_epoch(wide, third, 1);
    assert_string_equal(text_at(get_job(wide, second), "/state"), "running");
    server_stop(wide);
}

/* ---- Cancelling ------------------------------------------------------------------------------------ */

static void a_running_job_is_cancelled_once(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], next[JOB_ID_SIZE];
    start_job(server, ENDLESS_JOB, id);
    wait_for_epoch(server, id, 1);
    const struct response *response = cancel_job(server, id);
    assert_int_equal(response->status, 202);
    assert_string_equal(text_at(response, "/state"), "cancelled");
    assert_int_equal(cancel_job(server, id)->status, 200);
    start_job(server, QUICK_JOB, next); /* the runner is free */
    wait_for_state(server, next, "succeeded");
    assert_problem(cancel_job(server, next), 409, "conflict", NULL);
    assert_string_equal(text_at(get_job(server, id), "/state"), "cancelled");
}

/* ---- Kills ----------------------------------------------------------------------------------------- */

static void digest_of_result(const char *id, char ret_digest[65])
{
    char path[128];
    const struct response *job = get_job(server, id);
    snprintf(path, sizeof path, "/api/v1/models/%s/versions/%lld", text_at(job, "/result/model/name"),
             integer_at(job, "/result/model/version"));
    snprintf(ret_digest, 65, "%s", text_at(get(server, path), "/weights_digest"));
}

static void a_job_killed_in_several_epochs_ends_as_one_left_alone(void **state)
{
    (void)state;
    static const char body[] = "{\"name\":\"killed\"," TINY_MODEL
                               ",\"training\":{\"epochs\":5,\"train_limit\":4000,\"batch_size\":16}}";
    char id[JOB_ID_SIZE], alone[JOB_ID_SIZE], path[96], killed_digest[65], alone_digest[65];
    start_job(server, body, id);
    for (int epoch = 2; epoch <= 4; epoch++) {
        wait_for_epoch(server, id, epoch);
        server_kill_and_restart(server);
    }
    wait_for_state(server, id, "succeeded");
    snprintf(path, sizeof path, "/api/v1/jobs/%s/metrics?max_points=2000", id);
    const struct response *metrics = get(server, path);
    assert_int_equal(json_array_size(json_at(metrics, "/epochs")), 5);
    assert_int_equal(json_array_size(json_at(metrics, "/steps/step")), 5 * 225);

    start_job(server, body, alone);
    wait_for_state(server, alone, "succeeded");
    digest_of_result(id, killed_digest);
    digest_of_result(alone, alone_digest);
    assert_string_equal(killed_digest, alone_digest);
}

static void acknowledged_jobs_survive_a_kill_and_run(void **state)
{
    (void)state;
    char ids[5][JOB_ID_SIZE];
    for (int i = 0; i < 5; i++)
        start_job(server, QUICK_JOB, ids[i]);
    assert_int_equal(cancel_job(server, ids[3])->status, 202);
    server_kill_and_restart(server);
    wait_for_state(server, ids[4], "succeeded");
    assert_string_equal(text_at(get_job(server, ids[3]), "/state"), "cancelled");
    for (int i = 0; i < 3; i++)
        assert_string_equal(text_at(get_job(server, ids[i]), "/state"), "succeeded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_accepted_with_every_default_filled_in),
        cmocka_unit_test(a_broken_request_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(all_faults_of_a_request_come_at_once),
        cmocka_unit_test(a_body_beyond_the_limit_is_refused),
        cmocka_unit_test(broken_requests_leave_no_memory_behind),
        cmocka_unit_test(a_repeated_request_with_its_key_starts_one_job),
        cmocka_unit_test(a_repeated_request_gives_its_job_when_what_it_builds_on_is_gone),
        cmocka_unit_test(a_full_queue_says_when_to_come_again),
        cmocka_unit_test(a_job_beyond_the_memory_limit_is_refused),
        cmocka_unit_test(a_job_runs_to_its_result),
        cmocka_unit_test(progress_tells_where_a_running_job_is),
        cmocka_unit_test(a_job_that_rests_is_not_sent_again),
        cmocka_unit_test(metrics_hold_each_epoch_and_the_steps_asked_for),
        cmocka_unit_test(metrics_without_validation_are_null),
        cmocka_unit_test(jobs_are_listed_in_pages_newest_first),
        cmocka_unit_test(a_list_cannot_be_asked_for_what_is_not_there),
        cmocka_unit_test(a_job_is_paused_and_resumed),
        cmocka_unit_test(a_waiting_job_is_moved_in_the_queue),
        cmocka_unit_test(a_job_that_goes_on_is_not_deleted),
        cmocka_unit_test(the_oldest_finished_jobs_are_forgotten_when_there_are_too_many),
        cmocka_unit_test(two_jobs_run_at_once_if_that_is_wanted),
        cmocka_unit_test(a_running_job_is_cancelled_once),
        cmocka_unit_test(a_job_killed_in_several_epochs_ends_as_one_left_alone),
        cmocka_unit_test(acknowledged_jobs_survive_a_kill_and_run),
    };
    return run_with_server("api jobs", tests, sizeof tests / sizeof *tests, NULL, &server);
}
