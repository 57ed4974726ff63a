/* Sweeps through the API, kills of the server included. */
#include "tests/api/harness.h"
#include "tests/api/streams.h"
#include "tests/api/training.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define SWEEP_ID_SIZE 23
#define PATIENCE      12000 /* looks of 10 ms */

static struct server *server;

#define BASE(epochs, limit)                                                                                  \
    "\"base\":{" TINY_MODEL ",\"training\":{\"epochs\":" #epochs ",\"train_limit\":" #limit "}}"

/* ---- Helpers --------------------------------------------------------------------------------------- */

static void start_sweep(const char *json, char ret_id[SWEEP_ID_SIZE])
{
    const struct response *response = post_json(server, "/api/v1/sweeps", json);
    if (response->status != 202)
        fail_msg("%s: %ld %s", json, response->status, response->body);
    snprintf(ret_id, SWEEP_ID_SIZE, "%s", text_at(response, "/id"));
}

static const struct response *get_sweep(const char *id, const char *what)
{
    char path[96];
    snprintf(path, sizeof path, "/api/v1/sweeps/%s%s", id, what);
    const struct response *response = get(server, path);
    if (response->status != 200)
        fail_msg("%s: %ld %s", path, response->status, response->body);
    return response;
}

static const struct response *post_sweep(const char *id, const char *what)
{
    char path[96];
    snprintf(path, sizeof path, "/api/v1/sweeps/%s%s", id, what);
    return send_call(server, &(struct call){.method = "POST", .path = path});
}

static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static bool is_over(const char *state)
{
    return strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
}

static void wait_for_sweep(const char *id, const char *wanted)
{
    for (int i = 0; i < PATIENCE; i++) {
        const struct response *sweep = get_sweep(id, "");
        const char *state = text_at(sweep, "/state");
        if (strcmp(state, wanted) == 0)
            return;
        if (is_over(state))
            fail_msg("%s is not %s: %s", id, wanted, sweep->body);
        wait_a_moment();
    }
    fail_msg("%s is not %s yet", id, wanted);
}

/* Waits until so many trials have succeeded. */
static void wait_for_successes(const char *id, long long wanted)
{
    for (int i = 0; i < PATIENCE; i++) {
        if (integer_at(get_sweep(id, ""), "/counts/succeeded") >= wanted)
            return;
        wait_a_moment();
    }
    fail_msg("%s has no %lld successes yet", id, wanted);
}

/* {"trial number": {seed, values, figures, digest}}: what must be the same in every run. A new reference. */
static json_t *read_outcomes(const char *id)
{
    static const char *const fields[] = {"state",         "values",         "seed", "validation_accuracy",
                                         "test_accuracy", "weights_digest", NULL};
    const json_t *data = json_at(get_sweep(id, "/results"), "/data");
    json_t *outcomes = json_object(), *row;
    size_t i;
    json_array_foreach(data, i, row)
    {
        char number[16];
        json_t *outcome = json_object();
        for (size_t j = 0; fields[j]; j++)
            json_object_set(outcome, fields[j], json_object_get(row, fields[j]));
        snprintf(number, sizeof number, "%lld", json_integer_value(json_object_get(row, "trial")));
        json_object_set_new(outcomes, number, outcome);
    }
    return outcomes;
}

/* ---- What a sweep is ------------------------------------------------------------------------------- */

static void the_architecture_preset_has_40_networks_and_24_that_cannot_be(void **state)
{
    (void)state;
    static const char request[] =
        "{\"preset\":\"architecture\",\"base\":{\"training\":{\"epochs\":1,\"train_limit\":100}}}";
    char id[SWEEP_ID_SIZE];
    const struct response *estimate = post_json(server, "/api/v1/sweeps/estimate", request);
    assert_int_equal(estimate->status, 200);
    assert_int_equal(integer_at(estimate, "/trials"), 64);
    assert_int_equal(integer_at(estimate, "/valid"), 40);
    assert_int_equal(integer_at(estimate, "/invalid"), 24);
    assert_true(json_number_value(json_at(estimate, "/seconds")) > 0);
    start_sweep(request, id);
    assert_int_equal(post_sweep(id, "/cancel")->status, 202);
    json_t *row;
    size_t i, invalid = 0;
    json_array_foreach(json_at(get_sweep(id, "/results"), "/data"), i, row)
    {
        const json_t *error = json_object_get(row, "error");
        if (strcmp(json_string_value(json_object_get(row, "state")), "invalid") != 0)
            continue;
        invalid++;
        assert_true(json_is_null(json_object_get(row, "job")));
        assert_non_null(json_string_value(json_object_get(error, "layer")));
        assert_int_equal(json_array_size(json_object_get(error, "shape")), 3);
        assert_non_null(strstr(json_string_value(json_object_get(error, "detail")), "does not fit"));
    }
    assert_int_equal(invalid, 24);
}

static void faults_are_told_with_their_place_in_the_sweep(void **state)
{
    (void)state;
    static const struct {
        const char *body, *pointer;
    } faults[] = {
        {"{\"parameters\":{\"/model/blocks/nonsense\":[1]}}", "/parameters/~1model~1blocks~1nonsense/0"},
        {"{\"parameters\":{\"/training/epochs\":[1,0]}}", "/parameters/~1training~1epochs/1"},
        {"{\"parameters\":{\"/training/epochs\":[1,2]},\"base\":{\"dataset\":\"absent\"}}", "/base/dataset"},
        {"{\"parameters\":{\"/training/epochs\":[1,2]},\"base\":{\"training\":{\"epochs\":\"many\"}}}",
         "/base/training/epochs"},
        {"{\"parameters\":{\"/training/epochs\":[1,2]},\"base\":{\"training\":{\"validation_split\":0}}}",
         "/base/training/validation_split"},
        {"{\"parameters\":{\"/model/layers/7/units\":[1,2]},\"base\":{\"model\":{\"layers\":[]}}}",
         "/parameters/~1model~1layers~17~1units"},
        {"{\"parameters\":{\"/training/seed\":{\"min\":0,\"max\":9}},\"method\":\"random\",\"trials\":0}",
         "/trials"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        assert_problem(post_json(server, "/api/v1/sweeps", faults[i].body), 422, "invalid",
                       faults[i].pointer);
}

/* Those of the request, of its trials, and of what all trials share. */
static void all_faults_are_told_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *body, *pointers[8]; /* of all faults, in any order */
    } requests[] = {
        {"{\"parameters\":{\"/training/epochs\":[1,0]},\"colour\":1,\"base\":{\"dataset\":\"absent\"}}",
         {"/colour", "/parameters/~1training~1epochs/1", "/base/dataset"}},
        {"{\"parameters\":{\"/training/epochs\":[],\"/training/learning_rate\":[-1]},\"keep\":0,"
         "\"base\":{\"training\":{\"batch_size\":0,\"epoch\":1}}}",
         {"/keep", "/parameters/~1training~1epochs", "/parameters/~1training~1learning_rate/0",
          "/base/training/batch_size", "/base/training/epoch"}},
        {"{\"preset\":\"everything\",\"base\":{\"training\":{\"epochs\":-1}}}",
         {"/preset", "/base/training/epochs"}},
        {"{\"method\":\"best\",\"trials\":4,\"parameters\":{\"/training/"
         "learning_rate\":{\"min\":0.1,\"max\":1}},"
         "\"base\":{\"training\":{\"epochs\":-1}}}",
         {"/method", "/base/training/epochs"}},
        {"{\"parameters\":{\"/training/"
         "seed\":{\"min\":1,\"max\":2000}},\"method\":\"random\",\"trials\":1000,"
         "\"base\":{\"training\":{\"epochs\":-1}}}",
         {"/base/training/epochs"}},
        {"{\"parameters\":{\"/training/learning_rate\":[0.1,0.2]},\"method\":\"random\",\"trials\":1000,"
         "\"seeds\":2,\"base\":{\"training\":{\"epochs\":-1}}}",
         {"/parameters", "/base/training/epochs"}},
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        size_t count = 0;
        for (; requests[i].pointers[count]; count++) {
            const struct response *response = post_json(server, "/api/v1/sweeps", requests[i].body);
            assert_problem(response, 422, "invalid", requests[i].pointers[count]);
        }
        const struct response *response = post_json(server, "/api/v1/sweeps/estimate", requests[i].body);
        if (json_array_size(json_at(response, "/errors")) != count)
            fail_msg("%s", response->body);
    }
}

static void trials_are_compared_with_mean_and_spread_and_as_csv(void **state)
{
    (void)state;
    char id[SWEEP_ID_SIZE], path[96], file_name[64];
    start_sweep("{\"parameters\":{\"/training/learning_rate\":[0.00001,0.01]},\"seeds\":2," BASE(1, 400) "}",
                id);
    wait_for_sweep(id, "succeeded");
    const struct response *results = get_sweep(id, "/results");
    assert_int_equal(json_array_size(json_at(results, "/data")), 4);
    const json_t *best = json_object_get(json_at(results, "/data/0/values"), "/training/learning_rate");
    assert_true(json_number_value(best) > 0.005);
    assert_true(json_is_real(json_at(results, "/data/0/validation_accuracy_spread")));
    assert_int_equal(integer_at(results, "/best"), integer_at(results, "/data/0/trial"));
    assert_non_null(strstr(text_at(results, "/verdict"), "learning_rate 0.01"));
    const struct response *csv = get_sweep(id, "/results?format=csv");
    assert_non_null(strstr(response_header(csv, "Content-Type"), "text/csv"));
    snprintf(file_name, sizeof file_name, "attachment; filename=\"%s.csv\"", id);
    assert_string_equal(response_header(csv, "Content-Disposition"), file_name);
    assert_int_equal(strncmp(csv->body, "trial,combination,state,/training/learning_rate,seed,", 53), 0);
    size_t lines = 0;
    for (const char *line = csv->body; (line = strstr(line, "\r\n")); line += 2)
        lines++;
    assert_int_equal(lines, 5);
    snprintf(path, sizeof path, "/api/v1/jobs?sweep=%s", id);
    assert_int_equal(json_array_size(json_at(get(server, path), "/data")), 4);
    assert_int_equal(json_array_size(json_at(get(server, "/api/v1/jobs"), "/data")), 0);
}

static void halving_trains_the_better_ones_for_longer(void **state)
{
    (void)state;
    char id[SWEEP_ID_SIZE];
    start_sweep("{\"method\":\"halving\",\"factor\":2,\"parameters\":{\"/training/learning_rate\":"
                "[0.0001,0.001,0.003,0.01]}," BASE(4, 300) "}",
                id);
    wait_for_sweep(id, "succeeded");
    static const struct {
        const char *state;
        int epochs, rung;
    } expected[] = {{"succeeded", 4, 2}, {"stopped", 2, 1}, {"stopped", 1, 0}, {"stopped", 1, 0}};
    const struct response *results = get_sweep(id, "/results");
    for (int i = 0; i < 4; i++) {
        char place[64];
        snprintf(place, sizeof place, "/data/%d/state", i);
        assert_string_equal(text_at(results, place), expected[i].state);
        snprintf(place, sizeof place, "/data/%d/epochs", i);
        assert_int_equal(integer_at(results, place), expected[i].epochs);
        snprintf(place, sizeof place, "/data/%d/rung", i);
        assert_int_equal(integer_at(results, place), expected[i].rung);
    }
}

/* ---- Events ---------------------------------------------------------------------------------------- */

static const char *text_in(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text ? text : "";
}

/* Of a sweep of two trials, with a job of somebody else in between: reads the stream to its end. Returns the id of the last
 * event. */
static long long read_whole_stream(const char *id, const char *path)
{
    struct message message;
    long long last = 0;
    int succeeded = 0, progress = 0, ends = 0;
    struct stream *stream = stream_open(server, path, NULL);
    assert_int_equal(stream_status(stream), 200);
    while (stream_next(stream, &message)) {
        const char *to = text_in(json_object_get(message.data, "data"), "to");
        assert_int_equal(ends, 0); /* nothing comes after it */
        assert_string_equal(text_in(message.data, "sweep"), id);
        assert_true(message.id == 0 || message.id > last);
        last = message.id ? message.id : last;
        progress += strcmp(message.type, "progress") == 0;
        succeeded += strcmp(message.type, "state") == 0 && strcmp(to, "succeeded") == 0;
        ends += strcmp(message.type, "sweep") == 0 && strcmp(to, "succeeded") == 0;
    }
    stream_close(stream);
    assert_int_equal(succeeded, 2);
    assert_int_equal(ends, 1);
    assert_true(progress > 0);
    return last;
}

static void a_stream_of_a_sweep_tells_its_trials_and_ends(void **state)
{
    (void)state;
    char id[SWEEP_ID_SIZE], job[JOB_ID_SIZE], path[96], header[64];
    start_sweep("{\"parameters\":{\"/training/seed\":[1,2]}," BASE(3, 20000) "}", id);
    start_job(server, QUICK_JOB, job);
    snprintf(path, sizeof path, "/api/v1/sweeps/%s/events", id);
    long long last = read_whole_stream(id, path);
    wait_for_state(server, job, "succeeded");

    const struct response *page = get_sweep(id, "/events?limit=1");
    assert_string_equal(text_at(page, "/data/0/type"), "sweep");
    assert_string_equal(text_at(page, "/data/0/data/to"), "running");
    assert_true(json_is_true(json_at(page, "/has_more")));
    snprintf(header, sizeof header, "Last-Event-ID: %lld", last);
    struct stream *stream = stream_open(server, path, header);
    assert_int_equal(stream_status(stream), 204);
    stream_close(stream);
    assert_int_equal(get(server, "/api/v1/sweeps/sweep_0123456789abcdef/events")->status, 404);
    assert_int_equal(get(server, "/api/v1/sweeps/nonsense/events")->status, 404);
}

static void a_stream_after_what_is_yet_to_come_begins_now(void **state)
{
    (void)state;
    char id[SWEEP_ID_SIZE], path[96];
    struct message message;
    start_sweep("{\"parameters\":{\"/training/seed\":[1,2]}," BASE(1000, 2000) "}", id);
    snprintf(path, sizeof path, "/api/v1/sweeps/%s/events?after=9007199254740991", id);
    struct stream *stream = stream_open(server, path, NULL);
    assert_int_equal(post_sweep(id, "/pause")->status, 202);
    do
        assert_true(stream_next_durable(stream, &message)); /* of the trial, perhaps */
    while (strcmp(message.type, "sweep") != 0);
    assert_string_equal(text_in(json_object_get(message.data, "data"), "to"), "paused");
    stream_close(stream);
    assert_int_equal(post_sweep(id, "/cancel")->status, 202);
}

/* ---- Promotion ------------------------------------------------------------------------------------- */

static void the_best_trial_becomes_a_version_once(void **state)
{
    (void)state;
    char id[SWEEP_ID_SIZE], path[96], digest[80], job[JOB_ID_SIZE];
    start_job(server, ENDLESS_JOB, job); /* the trials wait for it */
    start_sweep("{\"parameters\":{\"/training/seed\":[1,2,3]},\"keep\":1," BASE(1, 400) "}", id);
    assert_problem(post_sweep(id, "/promote"), 409, "conflict", NULL);
    assert_int_equal(cancel_job(server, job)->status, 202);
    wait_for_sweep(id, "succeeded");
    assert_int_equal(get(server, "/api/v1/models/swept")->status, 404);
    snprintf(digest, sizeof digest, "%s", text_at(get_sweep(id, "/results"), "/data/0/weights_digest"));
    snprintf(path, sizeof path, "/api/v1/sweeps/%s/promote", id);
    for (int time = 0; time < 2; time++) {
        const struct response *version = post_json(server, path, "{\"model\":\"swept\"}");
        assert_int_equal(version->status, 200);
        assert_int_equal(integer_at(version, "/version"), 1);
        assert_string_equal(text_at(version, "/weights_digest"), digest);
        assert_string_equal(text_at(version, "/aliases/0"), "production");
    }
    char body[64];
    snprintf(body, sizeof body, "{\"trial\":%lld}", integer_at(get_sweep(id, "/results"), "/data/2/trial"));
    assert_problem(post_json(server, path, body), 409, "conflict", NULL); /* only the best was kept */
    assert_int_equal(post_json(server, path, "{\"trial\":4}")->status, 404);
    snprintf(path, sizeof path, "/api/v1/sweeps/%s", id);
    assert_int_equal(send_call(server, &(struct call){.method = "DELETE", .path = path})->status, 204);
    assert_int_equal(get(server, path)->status, 404);
    assert_int_equal(get(server, "/api/v1/models/swept/versions/1")->status, 200);
}

/* A version once more, as if it came from elsewhere, and in production. */
static long long import_into_production(const char *model, long long version)
{
    char path[96], body[32];
    snprintf(path, sizeof path, "/api/v1/models/%s/versions/%lld/weights.safetensors", model, version);
    const struct response *file = get(server, path);
    assert_int_equal(file->status, 200);
    size_t size = file->size;
    char *bytes = malloc(size);
    memcpy(bytes, file->body, size);
    snprintf(path, sizeof path, "/api/v1/models/%s/versions", model);
    const struct response *imported = send_call(
        server,
        &(struct call){.path = path, .media_type = "application/octet-stream", .body = bytes, .size = size});
    assert_int_equal(imported->status, 201);
    free(bytes);
    long long number = integer_at(imported, "/version");
    snprintf(body, sizeof body, "{\"version\":%lld}", number);
    snprintf(path, sizeof path, "/api/v1/models/%s/aliases/production", model);
    assert_int_equal(
        send_call(
            server,
            &(struct call){.method = "PUT", .path = path, .media_type = "application/json", .body = body})
            ->status,
        200);
    return number;
}

/* One that learns and one that does not, each against the other, which was imported and so never measured. */
static void the_best_trial_is_held_against_what_was_imported(void **state)
{
    (void)state;
    static const char *const rates[] = {"1e-9", "0.01", "1e-9"};
    char id[SWEEP_ID_SIZE], body[512];
    long long before = 0;
    for (int i = 0; i < 3; i++) {
        snprintf(body, sizeof body,
                 "{\"parameters\":{\"/training/seed\":[1,2]},\"promote\":\"if_better\",\"base\":{\"name\":"
                 "\"rivals\"," TINY_MODEL ",\"training\":{\"epochs\":1,\"train_limit\":3000,"
                 "\"learning_rate\":%s}}}",
                 rates[i]);
        start_sweep(body, id);
        wait_for_sweep(id, "succeeded");
        const struct response *model = get(server, "/api/v1/models/rivals");
        long long newest = integer_at(model, "/last_version");
        bool is_better = i < 2;
        assert_int_equal(integer_at(model, "/production"), is_better ? newest : before);
        if (is_better)
            before = import_into_production("rivals", newest);
    }
}

/* A pipe in the place of the weights of version 2 of "held", or these again: who opens the pipe waits for a writer, who
 * never comes. */
static void hold_weights(bool hold)
{
    char path[320], aside[320];
    server_store_path(server, "models/held/2.safetensors", path, sizeof path);
    server_store_path(server, "held-weights", aside, sizeof aside);
    assert_int_equal(rename(hold ? path : aside, hold ? aside : path), 0);
    if (hold)
        assert_int_equal(mkfifo(path, 0600), 0);
}

/* Starts a sweep of two trials of "held", to be promoted if it is better, and waits until its best is version 3: then what is
 * in production is to be measured. */
static void start_comparison(char ret_id[SWEEP_ID_SIZE])
{
    start_sweep("{\"parameters\":{\"/training/"
                "seed\":[1,2]},\"promote\":\"if_better\",\"base\":{\"name\":\"held\"," TINY_MODEL
                ",\"training\":{\"epochs\":1,\"train_limit\":3000,\"learning_rate\":0.01}}}",
                ret_id);
    for (int i = 0; integer_at(get(server, "/api/v1/models/held"), "/last_version") < 3; i++) {
        assert_true(i < PATIENCE);
        wait_a_moment();
    }
}

static void a_comparison_holds_nobody_up_and_outlives_a_kill(void **state)
{
    (void)state;
    char id[SWEEP_ID_SIZE], other[SWEEP_ID_SIZE], job[JOB_ID_SIZE];
    start_sweep("{\"parameters\":{\"/training/seed\":[1,2]}," BASE(1, 400) "}", other);
    wait_for_sweep(other, "succeeded");
    start_job(server,
              "{\"name\":\"held\"," TINY_MODEL
              ",\"training\":{\"epochs\":1,\"train_limit\":100,\"learning_rate\":1e-9}}",
              job);
    wait_for_state(server, job, "succeeded");
    import_into_production("held", 1);

    hold_weights(true);
    start_comparison(id);
    assert_int_equal(post_sweep(other, "/promote")->status, 200);
    assert_string_equal(text_at(get_sweep(id, ""), "/state"), "running"); /* it compares still */
    hold_weights(false);
    server_kill_and_restart(server);
    wait_for_sweep(id, "succeeded");
    const struct response *model = get(server, "/api/v1/models/held");
    assert_int_equal(integer_at(model, "/last_version"), 3);
    assert_int_equal(integer_at(model, "/production"), 3);
    const struct response *moves = get(server, "/api/v1/models/held/aliases/production/history");
    assert_int_equal(integer_at(moves, "/data/0/version"), 3);
    assert_int_equal(integer_at(moves, "/data/0/previous"), 2);
}

/* ---- Changes of state, and kills --------------------------------------------------------------------- */

static void a_job_does_not_wait_behind_the_trials(void **state)
{
    (void)state;
    char id[SWEEP_ID_SIZE], job[JOB_ID_SIZE];
    start_sweep("{\"parameters\":{\"/training/seed\":[1,2,3,4,5,6,7,8,9,10]}," BASE(3, 2000) "}", id);
    wait_for_successes(id, 1);
    start_job(server, QUICK_JOB, job);
    wait_for_state(server, job, "succeeded");
    assert_true(integer_at(get_sweep(id, ""), "/counts/queued") > 0);
    assert_int_equal(post_sweep(id, "/cancel")->status, 202);
    assert_int_equal(post_sweep(id, "/cancel")->status, 200);
    assert_problem(post_sweep(id, "/resume"), 409, "conflict", NULL);
    const struct response *sweep = get_sweep(id, "");
    assert_int_equal(integer_at(sweep, "/counts/queued") + integer_at(sweep, "/counts/running"), 0);
    assert_true(integer_at(sweep, "/counts/succeeded") > 0);
}

#define KILLED                                                                                               \
    "{\"parameters\":{\"/training/learning_rate\":[0.001,0.01],\"/training/batch_size\":[8,16,32]}," BASE(   \
        3, 1500) "}"

static void a_sweep_that_is_paused_and_killed_ends_as_one_left_alone(void **state)
{
    (void)state;
    char alone[SWEEP_ID_SIZE], killed[SWEEP_ID_SIZE];
    start_sweep(KILLED, alone);
    wait_for_sweep(alone, "succeeded");
    json_t *expected = read_outcomes(alone);

    start_sweep(KILLED, killed);
    wait_for_successes(killed, 1);
    server_kill_and_restart(server);
    wait_for_successes(killed, 2);
    assert_int_equal(post_sweep(killed, "/pause")->status, 202);
    assert_int_equal(post_sweep(killed, "/pause")->status, 200);
    server_kill_and_restart(server);
    assert_string_equal(text_at(get_sweep(killed, ""), "/state"), "paused");
    assert_int_equal(integer_at(get_sweep(killed, ""), "/counts/running"), 0);
    assert_int_equal(post_sweep(killed, "/resume")->status, 202);
    wait_for_successes(killed, 4);
    server_kill_and_restart(server);
    wait_for_sweep(killed, "succeeded");
    json_t *outcomes = read_outcomes(killed);
    if (!json_equal(outcomes, expected)) {
        char *found = json_dumps(outcomes, 0), *wanted = json_dumps(expected, 0);
        fail_msg("%s is not %s", found, wanted);
    }
    char path[96];
    snprintf(path, sizeof path, "/api/v1/jobs?sweep=%s&limit=100", killed);
    assert_int_equal(json_array_size(json_at(get(server, path), "/data")), 6); /* every trial once */
    json_decref(outcomes);
    json_decref(expected);
}

/* ---- Several jobs at once ---------------------------------------------------------------------------- */

#define TWO_SEEDS(epochs)                                                                                    \
    "{\"method\":\"halving\",\"factor\":8,\"parameters\":{\"/training/"                                      \
    "learning_rate\":[0.001,0.01]},\"seeds\":3," BASE(epochs, 500) "}"

static void delete_sweep(const char *id)
{
    char path[96];
    snprintf(path, sizeof path, "/api/v1/sweeps/%s", id);
    assert_int_equal(send_call(server, &(struct call){.method = "DELETE", .path = path})->status, 204);
    snprintf(path, sizeof path, "/api/v1/jobs?sweep=%s", id);
    assert_int_equal(json_array_size(json_at(get(server, path), "/data")), 0);
}

static void a_sweep_of_two_jobs_at_once_ends_as_one_of_single_jobs(void **state)
{
    (void)state;
    static const char *const two[] = {"--concurrent-jobs", "2", NULL};
    struct server *one_at_once = server;
    char id[SWEEP_ID_SIZE], path[96];
    start_sweep(TWO_SEEDS(8), id);
    wait_for_sweep(id, "succeeded");
    json_t *expected = read_outcomes(id);

    server = server_start(two);
    start_sweep(TWO_SEEDS(8), id);
    wait_for_sweep(id, "succeeded");
    json_t *outcomes = read_outcomes(id);
    snprintf(path, sizeof path, "/api/v1/jobs?sweep=%s&limit=100", id);
    size_t jobs = json_array_size(json_at(get(server, path), "/data"));
    server_stop(server);
    server = one_at_once;
    assert_true(json_equal(outcomes, expected));
    assert_int_equal(jobs, 6 + 3); /* each trial once on its rung */
    json_decref(outcomes);
    json_decref(expected);
}

/* The next rung begins when one thread ends its last trial: the other one, which had none left, must hear of it. What is
 * cancelled while two jobs run can be deleted at once, and leaves nothing. */
static void each_rung_is_trained_by_all_that_run_jobs(void **state)
{
    (void)state;
    static const char *const two[] = {"--concurrent-jobs", "2", NULL};
    struct server *one_at_once = server;
    char id[SWEEP_ID_SIZE];
    server = server_start(two);
    start_sweep(TWO_SEEDS(1000), id); /* 8 epochs on the second rung, 64 on the third, all on the last */
    for (int i = 0; integer_at(get_sweep(id, "/results"), "/data/0/rung") < 3; i++) {
        assert_true(i < PATIENCE);
        wait_a_moment();
    }
    for (int i = 0; integer_at(get_sweep(id, ""), "/counts/running") < 2; i++) {
        assert_true(i < PATIENCE);
        wait_a_moment();
    }
    assert_int_equal(post_sweep(id, "/cancel")->status, 202);
    delete_sweep(id);
    assert_false(server_logged(server, "there is no job"));
    server_stop(server);
    server = one_at_once;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_architecture_preset_has_40_networks_and_24_that_cannot_be),
        cmocka_unit_test(faults_are_told_with_their_place_in_the_sweep),
        cmocka_unit_test(all_faults_are_told_at_once),
        cmocka_unit_test(trials_are_compared_with_mean_and_spread_and_as_csv),
        cmocka_unit_test(halving_trains_the_better_ones_for_longer),
        cmocka_unit_test(a_stream_of_a_sweep_tells_its_trials_and_ends),
        cmocka_unit_test(a_stream_after_what_is_yet_to_come_begins_now),
        cmocka_unit_test(the_best_trial_becomes_a_version_once),
        cmocka_unit_test(the_best_trial_is_held_against_what_was_imported),
        cmocka_unit_test(a_comparison_holds_nobody_up_and_outlives_a_kill),
        cmocka_unit_test(a_job_does_not_wait_behind_the_trials),
        cmocka_unit_test(a_sweep_that_is_paused_and_killed_ends_as_one_left_alone),
        cmocka_unit_test(a_sweep_of_two_jobs_at_once_ends_as_one_of_single_jobs),
        cmocka_unit_test(each_rung_is_trained_by_all_that_run_jobs),
    };
    return run_with_server("sweeps", tests, sizeof tests / sizeof *tests, NULL, &server);
}
