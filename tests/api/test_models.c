/* What was trained, and what can be trained on, through the API. */
#include "engine/engine.h"
#include "tests/api/harness.h"
#include "tests/api/training.h"

#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <unistd.h>

static struct server *server;

static int start(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    server = server_start(NULL);
    for (int i = 0; i < 2; i++)
        start_job(server, QUICK_JOB, id);
    start_job(server,
              "{\"name\":\"other\"," TINY_MODEL ",\"training\":{\"epochs\":1,\"train_limit\":200},"
              "\"promotion\":\"never\"}",
              id);
    wait_for_state(server, id, "succeeded");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop(server);
    return 0;
}

/* ---- Models ---------------------------------------------------------------------------------------- */

static void models_are_listed_with_what_is_in_production(void **state)
{
    (void)state;
    const struct response *list = get(server, "/api/v1/models");
    assert_int_equal(list->status, 200);
    assert_int_equal(json_array_size(json_at(list, "/data")), 2);
    assert_true(json_is_false(json_at(list, "/has_more")));
    assert_string_equal(text_at(list, "/data/0/name"), "digits");
    assert_int_equal(integer_at(list, "/data/0/last_version"), 2);
    assert_int_equal(integer_at(list, "/data/0/production"), 1); /* the second was no better */
    assert_string_equal(text_at(list, "/data/1/name"), "other");
    assert_true(json_is_null(json_at(list, "/data/1/production")));
}

static void a_model_shows_its_versions_newest_first(void **state)
{
    (void)state;
    const struct response *model = get(server, "/api/v1/models/digits");
    assert_int_equal(model->status, 200);
    assert_int_equal(json_array_size(json_at(model, "/versions")), 2);
    assert_int_equal(integer_at(model, "/versions/0/version"), 2);
    assert_int_equal(integer_at(model, "/versions/1/version"), 1);
}

static void a_version_tells_where_it_comes_from(void **state)
{
    (void)state;
    char path[64], job_id[JOB_ID_SIZE];
    const struct response *version = get(server, "/api/v1/models/digits/versions/1");
    assert_int_equal(version->status, 200);
    assert_int_equal(integer_at(version, "/parameters"), 8 * 9 + 8 + 3 * 3 * 8 * 10 + 10);
    assert_int_equal(integer_at(version, "/config/training/epochs"), 2);
    assert_int_equal(strlen(text_at(version, "/dataset_digest")), 64);
    assert_int_equal(strlen(text_at(version, "/test_digest")), 64);
    assert_true(strlen(text_at(version, "/core_type")) > 0);
    assert_true(strlen(text_at(version, "/code_version")) > 0);
    double accuracy = json_number_value(json_at(version, "/metrics/test_accuracy"));
    json_t *config = json_deep_copy(json_at(version, "/config"));
    snprintf(job_id, sizeof job_id, "%s", text_at(version, "/job"));

    snprintf(path, sizeof path, "/api/v1/jobs/%s", job_id);
    const struct response *job = get(server, path);
    assert_true(json_equal(json_at(job, "/config"), config));
    json_decref(config);
    assert_true(json_number_value(json_at(job, "/result/test_accuracy")) == accuracy);
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/api/v1/models/absent",
        "/api/v1/models/Not%20A%20Name",
        "/api/v1/models/absent/versions/1",
        "/api/v1/models/digits/versions/3",
        "/api/v1/models/digits/versions/0",
        "/api/v1/models/digits/versions/-1",
        "/api/v1/models/digits/versions/one",
        "/api/v1/models/digits/versions/99999999999999999999",
        "/api/v1/models/digits/versions/3/weights.safetensors",
        "/api/v1/models/%2e%2e/versions/1/weights.safetensors",
        "/api/v1/models/digits/versions/3/model.onnx",
        "/api/v1/models/%2e%2e/versions/1/model.onnx",
        "/api/v1/datasets/absent",
        "/api/v1/datasets/%2e%2e",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_problem(get(server, paths[i]), 404, "not-found", NULL);
}

static void equal_jobs_give_equal_weights(void **state)
{
    (void)state;
    char first[65];
    snprintf(first, sizeof first, "%s",
             text_at(get(server, "/api/v1/models/digits/versions/1"), "/weights_digest"));
    assert_string_equal(text_at(get(server, "/api/v1/models/digits/versions/2"), "/weights_digest"), first);
}

/* ---- Weights --------------------------------------------------------------------------------------- */

#define WEIGHTS "/api/v1/models/digits/versions/1/weights.safetensors"

static void weights_are_the_bytes_that_were_registered(void **state)
{
    (void)state;
    char expected[65], found[65] = "";
    const struct response *version = get(server, "/api/v1/models/digits/versions/1");
    snprintf(expected, sizeof expected, "%s", text_at(version, "/file_digest"));
    long long bytes = integer_at(version, "/file_bytes");

    const struct response *file = get(server, WEIGHTS);
    assert_int_equal(file->status, 200);
    assert_int_equal(file->size, bytes);
    assert_string_equal(response_header(file, "Content-Type"), "application/octet-stream");
    assert_string_equal(response_header(file, "Content-Disposition"),
                        "attachment; filename=\"digits-1.safetensors\"");
    struct sha256_ctx context;
    uint8_t hash[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, file->size, (const uint8_t *)file->body);
    sha256_digest(&context, sizeof hash, hash);
    base16_encode_update(found, sizeof hash, hash);
    assert_string_equal(found, expected);
}

/* The layout is that of the format's specification: length, JSON, data. */
static void weights_describe_themselves(void **state)
{
    (void)state;
    const struct response *file = get(server, WEIGHTS);
    uint64_t length;
    assert_true(file->size > sizeof length);
    memcpy(&length, file->body, sizeof length);
    assert_true(length < file->size - sizeof length);
    json_t *header = json_loadb(file->body + sizeof length, length, 0, NULL);
    assert_non_null(header);
    const json_t *metadata = json_object_get(header, "__metadata__");
    assert_string_equal(json_string_value(json_object_get(metadata, "name")), "digits");
    assert_string_equal(json_string_value(json_object_get(metadata, "version")), "1");
    json_t *spec = json_loads(json_string_value(json_object_get(metadata, "spec")), 0, NULL);
    assert_int_equal(json_array_size(json_object_get(spec, "layers")), 5);
    json_decref(spec);
    json_decref(header);
}

static void weights_that_are_known_are_not_sent_again(void **state)
{
    (void)state;
    char header[128];
    const char *etag = response_header(get(server, WEIGHTS), "ETag");
    assert_int_equal(etag[0], '"'); /* strong */
    snprintf(header, sizeof header, "If-None-Match: %s", etag);
    const struct response *response = send_call(server, &(struct call){.path = WEIGHTS, .headers = {header}});
    assert_int_equal(response->status, 304);
    assert_int_equal(response->size, 0);
    response = send_call(server, &(struct call){.path = WEIGHTS, .headers = {"If-None-Match: \"another\""}});
    assert_int_equal(response->status, 200);
    response =
        send_call(server, &(struct call){.path = "/api/v1/models/digits/versions/2/weights.safetensors",
                                         .headers = {header}});
    assert_int_equal(response->status, 200); /* equal weights of another job are another file */
}

/* ---- ONNX ------------------------------------------------------------------------------------------ */

#define ONNX "/api/v1/models/digits/versions/1/model.onnx"

/* The bytes that the engine makes of the weights as they are sent. */
static void onnx_is_the_model_in_another_form(void **state)
{
    (void)state;
    char path[] = "/tmp/digitd-weights-XXXXXX";
    int fd = mkstemp(path);
    const struct response *file = get(server, WEIGHTS);
    assert_int_equal(write(fd, file->body, file->size), file->size);
    close(fd);
    struct model *model;
    uint8_t *bytes;
    size_t size;
    assert_int_equal(model_load(path, &model, NULL), OK);
    unlink(path);
    assert_int_equal(model_to_onnx(model, &bytes, &size, NULL), OK);
    model_unref(model);

    for (int i = 0; i < 2; i++) { /* made, then read */
        file = get(server, ONNX);
        assert_int_equal(file->status, 200);
        assert_int_equal(file->size, size);
        assert_memory_equal(file->body, bytes, size);
        assert_string_equal(response_header(file, "Content-Type"), "application/octet-stream");
        assert_string_equal(response_header(file, "Content-Disposition"),
                            "attachment; filename=\"digits-1.onnx\"");
    }
    free(bytes);
}

static void onnx_that_is_known_is_not_sent_again(void **state)
{
    (void)state;
    char header[128], weights[128];
    snprintf(weights, sizeof weights, "If-None-Match: %s", response_header(get(server, WEIGHTS), "ETag"));
    const struct response *response = send_call(server, &(struct call){.path = ONNX, .headers = {weights}});
    assert_int_equal(response->status, 200); /* the same version, but another file */
    const char *etag = response_header(response, "ETag");
    assert_int_equal(etag[0], '"');
    snprintf(header, sizeof header, "If-None-Match: %s", etag);
    response = send_call(server, &(struct call){.path = ONNX, .headers = {header}});
    assert_int_equal(response->status, 304);
    assert_int_equal(response->size, 0);
}

/* ---- What predictions use -------------------------------------------------------------------------- */

#define A_SEVEN "{\"strokes\":[[[60,60],[200,60],[120,220]]]}"

static void predictions_use_what_is_in_production(void **state)
{
    (void)state;
    const struct response *answer = post_json(server, "/api/v1/predict", A_SEVEN);
    assert_int_equal(answer->status, 200);
    assert_int_equal(integer_at(answer, "/model/version"), 1);
    answer = post_json(server, "/api/v1/models/other/predict?version=1", A_SEVEN);
    assert_int_equal(answer->status, 200);
    assert_string_equal(text_at(answer, "/model/name"), "other");
}

static void a_restarted_server_has_its_models(void **state)
{
    (void)state;
    server_kill_and_restart(server);
    assert_int_equal(integer_at(post_json(server, "/api/v1/predict", A_SEVEN), "/model/version"), 1);
    assert_int_equal(get(server, WEIGHTS)->status, 200);
}

/* ---- Datasets -------------------------------------------------------------------------------------- */

static void datasets_are_listed_with_their_counts(void **state)
{
    (void)state;
    const struct response *list = get(server, "/api/v1/datasets");
    assert_int_equal(list->status, 200);
    size_t i;
    json_t *dataset;
    bool found = false;
    json_array_foreach(json_at(list, "/data"), i, dataset) found |=
        strcmp(json_string_value(json_object_get(dataset, "name")), "mnist") == 0;
    assert_true(found);

    const struct response *mnist = get(server, "/api/v1/datasets/mnist");
    assert_int_equal(mnist->status, 200);
    assert_int_equal(integer_at(mnist, "/train/images"), 60000);
    assert_int_equal(integer_at(mnist, "/test/images"), 10000);
    assert_true(json_is_null(json_at(mnist, "/error")));
    char digest[65];
    snprintf(digest, sizeof digest, "%s", text_at(mnist, "/train/digest"));
    assert_string_equal(text_at(get(server, "/api/v1/models/digits/versions/1"), "/dataset_digest"), digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_listed_with_what_is_in_production),
        cmocka_unit_test(a_model_shows_its_versions_newest_first),
        cmocka_unit_test(a_version_tells_where_it_comes_from),
        cmocka_unit_test(what_is_not_there_is_not_found),
        cmocka_unit_test(equal_jobs_give_equal_weights),
        cmocka_unit_test(weights_are_the_bytes_that_were_registered),
        cmocka_unit_test(weights_describe_themselves),
        cmocka_unit_test(weights_that_are_known_are_not_sent_again),
        cmocka_unit_test(onnx_is_the_model_in_another_form),
        cmocka_unit_test(onnx_that_is_known_is_not_sent_again),
        cmocka_unit_test(predictions_use_what_is_in_production),
        cmocka_unit_test(a_restarted_server_has_its_models),
        cmocka_unit_test(datasets_are_listed_with_their_counts),
    };
    return cmocka_run_group_tests_name("api models", tests, start, stop);
}
