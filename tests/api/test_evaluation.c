/* What a version takes for what, through the API. */
#include "engine/engine.h"
#include "tests/api/harness.h"
#include "tests/api/training.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct server *server;

#define EVALUATION "/api/v1/models/digits/versions/1/evaluation"

static int start(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    server = server_start(NULL);
    start_job(server, QUICK_JOB, id);
    wait_for_state(server, id, "succeeded");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    server_stop(server);
    return 0;
}

static double number_at(const struct response *response, const char *pointer)
{
    return json_number_value(json_at(response, pointer));
}

static void a_trained_version_has_its_evaluation(void **state)
{
    (void)state;
    double accuracy = number_at(get(server, "/api/v1/models/digits/versions/1"), "/metrics/test_accuracy");
    const struct response *evaluation = get(server, EVALUATION);
    assert_int_equal(evaluation->status, 200);
    assert_string_equal(text_at(evaluation, "/model"), "digits");
    assert_int_equal(integer_at(evaluation, "/version"), 1);
    assert_string_equal(text_at(evaluation, "/dataset"), "mnist");
    assert_string_equal(text_at(evaluation, "/split"), "test");
    assert_int_equal(integer_at(evaluation, "/count"), 10000);
    assert_true(number_at(evaluation, "/accuracy") == accuracy);
}

/* Everything again from the matrix. */
static void its_figures_agree_with_its_matrix(void **state)
{
    (void)state;
    const struct response *evaluation = get(server, EVALUATION);
    long long images = 0, hits = 0, matrix[10][10];
    char pointer[64];
    for (int i = 0; i < 100; i++) {
        snprintf(pointer, sizeof pointer, "/confusion/%d/%d", i / 10, i % 10);
        matrix[i / 10][i % 10] = integer_at(evaluation, pointer);
        images += matrix[i / 10][i % 10];
        hits += i / 10 == i % 10 ? matrix[i / 10][i % 10] : 0;
    }
    assert_int_equal(images, 10000);
    assert_true(fabs(number_at(evaluation, "/accuracy") - (double)hits / 10000) < 1e-12);
    for (int digit = 0; digit < 10; digit++) {
        long long row = 0, column = 0;
        for (int i = 0; i < 10; i++) {
            row += matrix[digit][i];
            column += matrix[i][digit];
        }
        snprintf(pointer, sizeof pointer, "/classes/%d/support", digit);
        assert_int_equal(integer_at(evaluation, pointer), row);
        snprintf(pointer, sizeof pointer, "/classes/%d/recall", digit);
        assert_true(fabs(number_at(evaluation, pointer) - (double)matrix[digit][digit] / (double)row) <
                    1e-12);
        snprintf(pointer, sizeof pointer, "/classes/%d/precision", digit);
        if (column)
            assert_true(fabs(number_at(evaluation, pointer) - (double)matrix[digit][digit] / (double)column) <
                        1e-12);
        else
            assert_true(json_is_null(json_at(evaluation, pointer)));
    }
}

static void mistakes_are_those_that_were_asked_for(void **state)
{
    (void)state;
    double before = 1;
    size_t i;
    const json_t *mistake;
    const struct response *evaluation = get(server, EVALUATION);
    const json_t *mistakes = json_at(evaluation, "/mistakes");
    assert_true(json_array_size(mistakes) > 0 && json_array_size(mistakes) <= 500);
    json_array_foreach(mistakes, i, mistake)
    {
        double confidence = json_number_value(json_object_get(mistake, "confidence"));
        assert_true(confidence <= before);
        before = confidence;
        assert_int_equal(json_array_size(json_object_get(mistake, "probabilities")), 10);
    }
    long long label = integer_at(evaluation, "/mistakes/0/label"),
              predicted = integer_at(evaluation, "/mistakes/0/predicted"),
              index = integer_at(evaluation, "/mistakes/0/index");
    char path[128];
    snprintf(path, sizeof path, EVALUATION "?label=%lld&predicted=%lld&limit=1", label, predicted);
    evaluation = get(server, path);
    assert_int_equal(json_array_size(json_at(evaluation, "/mistakes")), 1);
    assert_int_equal(integer_at(evaluation, "/mistakes/0/index"), index);
    snprintf(path, sizeof path, EVALUATION "?label=%lld&predicted=%lld", label, label);
    assert_int_equal(json_array_size(json_at(get(server, path), "/mistakes")), 0); /* no mistake */
    assert_int_equal(json_array_size(json_at(get(server, EVALUATION "?limit=0"), "/mistakes")), 0);
}

static void another_dataset_is_evaluated_on_request_and_remembered(void **state)
{
    (void)state;
    char time[64];
    const struct response *evaluation = get(server, EVALUATION "?dataset=fashion-mnist");
    assert_int_equal(evaluation->status, 200);
    assert_string_equal(text_at(evaluation, "/dataset"), "fashion-mnist");
    assert_int_equal(integer_at(evaluation, "/count"), 10000);
    snprintf(time, sizeof time, "%s", text_at(evaluation, "/evaluated_at"));
    server_kill_and_restart(server);
    evaluation = get(server, EVALUATION "?dataset=fashion-mnist");
    assert_string_equal(text_at(evaluation, "/evaluated_at"), time);
}

static void what_is_known_is_not_sent_again(void **state)
{
    (void)state;
    char header[128];
    snprintf(header, sizeof header, "If-None-Match: %s", response_header(get(server, EVALUATION), "ETag"));
    const struct response *again = send_call(server, &(struct call){.path = EVALUATION, .headers = {header}});
    assert_int_equal(again->status, 304);
}

static void import(struct server *into, const char *model, const void *bytes, size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "/api/v1/models/%s/versions", model);
    const struct response *imported = send_call(
        into,
        &(struct call){.path = path, .media_type = "application/octet-stream", .body = bytes, .size = size});
    if (imported->status != 201)
        fail_msg("%ld %s", imported->status, imported->body);
}

static void an_imported_version_is_evaluated_when_asked(void **state)
{
    (void)state;
    double accuracy = number_at(get(server, EVALUATION), "/accuracy");
    const struct response *file = get(server, "/api/v1/models/digits/versions/1/weights.safetensors");
    size_t size = file->size;
    char *bytes = malloc(size);
    memcpy(bytes, file->body, size);
    import(server, "elsewhere", bytes, size);
    free(bytes);
    const struct response *evaluation = get(server, "/api/v1/models/elsewhere/versions/1/evaluation");
    assert_int_equal(evaluation->status, 200);
    assert_true(number_at(evaluation, "/accuracy") == accuracy);
}

/* The tutorial's network, untrained. */
static void import_large_model(struct server *into)
{
    char path[] = "/tmp/digitd-weights-XXXXXX";
    struct model_spec spec;
    struct model_plan plan;
    struct problems problems = {0};
    struct model *model;
    close(mkstemp(path));
    assert_int_equal(model_spec_preset("reference", &spec, NULL), OK);
    assert_int_equal(model_plan_create(&spec, "", &plan, &problems), OK);
    assert_int_equal(model_create(&plan, 1, &model, NULL), OK);
    assert_int_equal(model_save(model, NULL, path, NULL), OK);
    model_unref(model);
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(8 << 20);
    size_t size = fread(bytes, 1, 8 << 20, file);
    fclose(file);
    unlink(path);
    import(into, "digits", bytes, size);
    free(bytes);
}

/* 60,000 images through that network take seconds, of which this test waits for none. */
static void one_evaluation_is_computed_at_a_time_until_the_server_ends(void **state)
{
    (void)state;
    char answer[512];
    const char request[] = "GET " EVALUATION "?split=train HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct server *other = server_start(NULL);
    import_large_model(other);
    int waiting = raw_connect(other);
    raw_send(waiting, request, sizeof request - 1);
    while (!server_logged(other, "digits version 1 is evaluated on mnist, train"))
        nanosleep(&(struct timespec){.tv_nsec = 2000000},
                  NULL); /* tests/run ends a test that waits for ever */
    const struct response *refused = get(other, EVALUATION);
    assert_problem(refused, 429, "busy", NULL);
    assert_string_equal(response_header(refused, "Retry-After"), "1");
    server_tell_to_end(other);
    raw_read_all(waiting, answer, sizeof answer);
    assert_int_equal(strncmp(answer, "HTTP/1.1 503", 12), 0);
    close(waiting);
    server_stop(other);
}

static void what_cannot_be_evaluated_says_why(void **state)
{
    (void)state;
    assert_problem(get(server, EVALUATION "?dataset=absent"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/models/digits/versions/99/evaluation"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/models/absent/versions/1/evaluation"), 404, "not-found", NULL);
    const struct response *wrong =
        get(server, EVALUATION "?dataset=No!&split=validation&label=10&predicted=-1&limit=501");
    static const char *const parameters[] = {"dataset", "split", "label", "predicted", "limit"};
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        assert_problem(wrong, 400, "malformed", parameters[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trained_version_has_its_evaluation),
        cmocka_unit_test(its_figures_agree_with_its_matrix),
        cmocka_unit_test(mistakes_are_those_that_were_asked_for),
        cmocka_unit_test(another_dataset_is_evaluated_on_request_and_remembered),
        cmocka_unit_test(what_is_known_is_not_sent_again),
        cmocka_unit_test(an_imported_version_is_evaluated_when_asked),
        cmocka_unit_test(one_evaluation_is_computed_at_a_time_until_the_server_ends),
        cmocka_unit_test(what_cannot_be_evaluated_says_why),
    };
    return cmocka_run_group_tests_name("api evaluation", tests, start, stop);
}
