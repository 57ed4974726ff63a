/* Own data through the API: adding, taking back, and training on it, kills of the server included. */
#include "tests/api/harness.h"
#include "tests/api/training.h"

static struct server *server;

#define SAMPLES "/api/v1/datasets/mine/samples"
#define SEVEN   "\"strokes\":[[[60,60],[200,60],[120,220]]]"
#define ONE     "\"strokes\":[[[120,40],[120,220]]]"

static int start(void **state)
{
    (void)state;
    server = server_start(NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop(server);
    return 0;
}

static long long add(const char *drawing, int label)
{
    char body[256];
    snprintf(body, sizeof body, "{%s,\"label\":%d}", drawing, label);
    const struct response *response = post_json(server, SAMPLES, body);
    if (response->status != 201)
        fail_msg("%ld %s", response->status, response->body);
    return integer_at(response, "/id");
}

static long delete (const char *path)
{
    return send_call(server, &(struct call){.method = "DELETE", .path = path})->status;
}

static const char *sample_path(long long id, const char *ending)
{
    static char path[64];
    snprintf(path, sizeof path, SAMPLES "/%lld%s", id, ending);
    return path;
}

/* Ten of each of two digits. */
static void add_twenty(void)
{
    for (int i = 0; i < 10; i++) {
        add(SEVEN, 7);
        add(ONE, 1);
    }
}

static void a_wrong_answer_becomes_an_example_and_can_be_taken_back(void **state)
{
    (void)state;
    long long seven = add(SEVEN, 7), one = add(ONE, 1);
    const struct response *response = get(server, "/api/v1/datasets/mine");
    assert_int_equal(integer_at(response, "/train/images"), 2);
    assert_int_equal(integer_at(response, "/train/classes/7"), 1);
    assert_int_equal(integer_at(response, "/train/classes/1"), 1);
    assert_true(json_is_null(json_at(response, "/test")));
    response = get(server, SAMPLES);
    assert_int_equal(integer_at(response, "/data/0/id"), one);
    assert_int_equal(integer_at(response, "/data/1/id"), seven);
    assert_int_equal(get(server, sample_path(seven, ".png"))->status, 200);

    assert_int_equal(delete (sample_path(one, "")), 204);
    assert_problem(get(server, sample_path(one, ".png")), 404, "not-found", NULL);
    assert_int_equal(delete (sample_path(one, "")), 404);
    server_kill_and_restart(server);
    assert_int_equal(integer_at(get(server, "/api/v1/datasets/mine"), "/train/images"), 1);
    assert_int_equal(delete ("/api/v1/datasets/mine"), 204);
    assert_problem(get(server, "/api/v1/datasets/mine"), 404, "not-found", NULL);
}

static void what_cannot_be_added_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body, *slug, *pointer;
        long status;
    } cases[] = {
        {SAMPLES, "{" SEVEN "}", "invalid", "/label", 422},
        {SAMPLES, "{" SEVEN ",\"label\":10}", "invalid", "/label", 422},
        {SAMPLES, "{\"label\":1}", "invalid", NULL, 422},
        {SAMPLES, "{\"strokes\":[],\"label\":1}", "no-ink", "/strokes", 422},
        {SAMPLES, "{\"images\":[],\"label\":1}", "invalid", "/images", 422},
        {SAMPLES "?label=3", "{" SEVEN ",\"label\":7}", "invalid", "/label", 422},
        {SAMPLES "?label=x", "{" SEVEN "}", "malformed", "label", 400},
        {"/api/v1/datasets/mnist/samples", "{" SEVEN ",\"label\":7}", "conflict", NULL, 409},
        {"/api/v1/datasets/No/samples", "{" SEVEN ",\"label\":7}", "not-found", NULL, 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_problem(post_json(server, cases[i].path, cases[i].body), cases[i].status, cases[i].slug,
                       cases[i].pointer);
    assert_problem(get(server, "/api/v1/datasets/mine"), 404, "not-found", NULL);
}

static void what_cannot_be_trained_on_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *pointer;
    } cases[] = {
        {"{\"dataset\":\"mine\"}", "/training/batch_size"},
        {"{\"dataset\":\"mine\",\"training\":{\"batch_size\":4,\"validation_split\":0.01}}",
         "/training/validation_split"},
        {"{\"datasets\":[]}", "/datasets"},
        {"{\"datasets\":[{\"name\":\"absent\"}]}", "/datasets/0/name"},
        {"{\"datasets\":[{\"name\":\"mine\",\"repeat\":0}]}", "/datasets/0/repeat"},
        {"{\"datasets\":[{\"name\":\"mine\"},{\"name\":\"mine\"}]}", "/datasets/1"},
        {"{\"datasets\":[{\"name\":\"mine\",\"revision\":99999}]}", "/datasets/0/revision"},
        {"{\"datasets\":[{\"name\":\"mnist\",\"revision\":1}]}", "/datasets/0/revision"},
        {"{\"datasets\":[{\"name\":\"mnist\",\"repeat\":20}]}", "/datasets"},
        {"{\"dataset\":\"mnist\",\"datasets\":[{\"name\":\"mine\"}]}", "/dataset"},
        {"{\"test_dataset\":\"mine\"}", "/test_dataset"},
    };
    add_twenty();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_problem(post_json(server, "/api/v1/jobs", cases[i].body), 422, "invalid", cases[i].pointer);
    assert_int_equal(delete ("/api/v1/datasets/mine"), 204);
}

static void digest_of_result(const char *id, const char *field, char ret_digest[65])
{
    char path[128];
    const struct response *job = get_job(server, id);
    snprintf(path, sizeof path, "/api/v1/models/%s/versions/%lld", text_at(job, "/result/model/name"),
             integer_at(job, "/result/model/version"));
    snprintf(ret_digest, 65, "%s", text_at(get(server, path), field));
}

static void assert_same(const char *one, const char *other, const char *field)
{
    char first[65], second[65];
    digest_of_result(one, field, first);
    digest_of_result(other, field, second);
    assert_string_equal(first, second);
}

#define MIXED(datasets)                                                                                      \
    "{\"name\":\"mixed\"," TINY_MODEL ",\"datasets\":" datasets                                              \
    ",\"training\":{\"epochs\":5,\"train_limit\":4000,\"batch_size\":16}}"

/* Samples come and go while the first job trains: it sees those that were there when it was posted. */
static void a_mixed_job_that_is_killed_ends_as_one_left_alone(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], alone[JOB_ID_SIZE], body[512];
    add_twenty();
    long long last = add(SEVEN, 7), revision = integer_at(get(server, "/api/v1/datasets/mine"), "/revision");
    snprintf(body, sizeof body,
             MIXED("[{\"name\":\"mnist\"},{\"name\":\"mine\",\"repeat\":10,\"revision\":%lld}]"), revision);
    start_job(server, body, alone);
    wait_for_state(server, alone, "succeeded");

    start_job(server, MIXED("[{\"name\":\"mnist\"},{\"name\":\"mine\",\"repeat\":10}]"), id);
    assert_int_equal(integer_at(get_job(server, id), "/config/datasets/1/revision"), revision);
    assert_int_equal(delete (sample_path(last, "")), 204);
    add(ONE, 1);
    assert_int_equal(delete ("/api/v1/datasets/mine"), 409);
    for (int epoch = 2; epoch <= 4; epoch++) {
        wait_for_epoch(server, id, epoch);
        server_kill_and_restart(server);
    }
    wait_for_state(server, id, "succeeded");
    assert_same(id, alone, "/weights_digest");
    assert_same(id, alone, "/dataset_digest");
    assert_int_equal(delete ("/api/v1/datasets/mine"), 204);
}

static void a_version_is_tuned_on_own_data_and_tested_on_mnist(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], path[128];
    start_job(server, "{\"name\":\"base\"," TINY_MODEL ",\"training\":{\"epochs\":1,\"train_limit\":500}}",
              id);
    wait_for_state(server, id, "succeeded");
    add_twenty();
    start_job(server,
              "{\"name\":\"tuned\",\"dataset\":\"mine\",\"init_from\":{\"model\":\"base\",\"version\":1},"
              "\"training\":{\"epochs\":2,\"batch_size\":4}}",
              id);
    const struct response *job = wait_for_state(server, id, "succeeded");
    assert_string_equal(text_at(job, "/config/dataset"), "mine");
    assert_string_equal(text_at(job, "/config/test_dataset"), "mnist");
    snprintf(path, sizeof path, "/api/v1/models/tuned/versions/1/evaluation");
    assert_string_equal(text_at(get(server, path), "/dataset"), "mnist");
    const struct response *own =
        get(server, "/api/v1/models/tuned/versions/1/evaluation?dataset=mine&split=train");
    assert_int_equal(integer_at(own, "/count"), 20);
    assert_int_equal(delete ("/api/v1/datasets/mine"), 204);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_wrong_answer_becomes_an_example_and_can_be_taken_back, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_added_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_trained_on_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(a_mixed_job_that_is_killed_ends_as_one_left_alone, start, stop),
        cmocka_unit_test_setup_teardown(a_version_is_tuned_on_own_data_and_tested_on_mnist, start, stop),
    };
    return cmocka_run_group_tests_name("own data", tests, NULL, NULL);
}
