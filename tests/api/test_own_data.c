/* Own data through the API: adding, taking back, and training on it, kills of the server included. */
#include "server/png.h"
#include "tests/api/harness.h"
#include "tests/api/training.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zip.h>
#include <zlib.h>

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

/* ---- Many at once ---------------------------------------------------------------------------------- */

#define MANY 400

/* The first noughts and ones of MNIST, as a pair of IDX files. */
static struct {
    uint8_t images[16 + MANY * IMAGE_PIXELS], labels[8 + MANY];
} pair;

static const uint8_t *image_of_pair(size_t index)
{
    return pair.images + 16 + index * IMAGE_PIXELS;
}

static void make_pair(void)
{
    char folder[512];
    const char *data_dir = getenv("DIGITD_DATA_DIR");
    struct dataset *mnist;
    size_t count = 0;
    struct error err;
    snprintf(folder, sizeof folder, "%s/mnist", data_dir ? data_dir : "data/datasets");
    if (dataset_load(folder, SPLIT_TRAIN, &mnist, &err))
        fail_msg("%s", err.message);
    memcpy(pair.images, (const uint8_t[]){0, 0, 8, 3, 0, 0, MANY >> 8, MANY & 255, 0, 0, 0, 28, 0, 0, 0, 28},
           16);
    memcpy(pair.labels, (const uint8_t[]){0, 0, 8, 1, 0, 0, MANY >> 8, MANY & 255}, 8);
    for (size_t i = 0; count < MANY; i++) {
        if (dataset_label(mnist, i) > 1)
            continue;
        memcpy(pair.images + 16 + count * IMAGE_PIXELS, dataset_image(mnist, i), IMAGE_PIXELS);
        pair.labels[8 + count++] = (uint8_t)dataset_label(mnist, i);
    }
    dataset_unref(mnist);
}

/* The same as an archive, to be freed. */
static uint8_t *make_archive(size_t *ret_size)
{
    zip_error_t reason;
    zip_stat_t info;
    char name[32];
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &reason);
    zip_t *zip = zip_open_from_source(source, ZIP_TRUNCATE, &reason);
    assert_non_null(zip);
    zip_source_keep(source);
    for (size_t i = 0; i < MANY; i++) {
        uint8_t *png;
        size_t size;
        assert_int_equal(png_encode_grey(image_of_pair(i), IMAGE_SIDE, IMAGE_SIDE, &png, &size, NULL), OK);
        snprintf(name, sizeof name, "digits/%d/%zu.png", pair.labels[8 + i], i);
        assert_true(zip_file_add(zip, name, zip_source_buffer(zip, png, size, 1), 0) >= 0);
    }
    assert_int_equal(zip_close(zip), 0);
    assert_int_equal(zip_source_stat(source, &info), 0);
    uint8_t *archive = malloc(info.size);
    assert_int_equal(zip_source_open(source), 0);
    assert_int_equal(zip_source_read(source, archive, info.size), info.size);
    zip_source_close(source);
    zip_source_free(source);
    *ret_size = info.size;
    return archive;
}

/* gzips into `ret_bytes`; returns the size. */
static size_t gzip(const void *bytes, size_t size, uint8_t *ret_bytes, size_t room)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes,
                       .avail_in = (uInt)size,
                       .next_out = ret_bytes,
                       .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(deflateEnd(&stream), Z_OK);
    return stream.total_out;
}

static const struct response *post_pair(const char *path, const void *images, size_t images_size,
                                        const void *labels, size_t labels_size)
{
    const struct form_file files[] = {{"images", images, images_size}, {"labels", labels, labels_size}};
    return post_files(server, path, files, 2);
}

static void assert_all_added(const struct response *response)
{
    if (response->status != 201)
        fail_msg("%ld %s", response->status, response->body);
    assert_int_equal(integer_at(response, "/added"), MANY);
    assert_int_equal(integer_at(response, "/count"), MANY);
    assert_int_equal(integer_at(response, "/rejected_count"), 0);
}

static void train_on(const char *name, char ret_id[JOB_ID_SIZE])
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"name\":\"%s\",\"dataset\":\"%s\"," TINY_MODEL
             ",\"training\":{\"epochs\":10,\"batch_size\":8,\"learning_rate\":0.01}}",
             name, name);
    start_job(server, body, ret_id);
}

static void assert_reads(const char *model, size_t index)
{
    char path[64];
    uint8_t *png;
    size_t size;
    assert_int_equal(png_encode_grey(image_of_pair(index), IMAGE_SIDE, IMAGE_SIDE, &png, &size, NULL), OK);
    snprintf(path, sizeof path, "/api/v1/models/%s/predict?mode=raw", model);
    const struct response *response =
        send_call(server, &(struct call){.path = path, .media_type = "image/png", .body = png, .size = size});
    assert_int_equal(integer_at(response, "/digit"), pair.labels[8 + index]);
    free(png);
}

/* An archive, and MNIST's form, plain and gzipped, are three ways to the same data and the same network. */
static void archives_and_idx_files_are_counted_trained_on_and_read(void **state)
{
    (void)state;
    static uint8_t images[sizeof pair.images + 1024], labels[sizeof pair.labels + 1024];
    size_t size;
    char digest[65], zipped[JOB_ID_SIZE], plain[JOB_ID_SIZE];
    make_pair();
    uint8_t *archive = make_archive(&size);
    assert_all_added(send_call(server, &(struct call){.path = "/api/v1/datasets/zipped/samples?mode=raw",
                                                      .media_type = "application/zip",
                                                      .body = archive,
                                                      .size = size}));
    free(archive);
    assert_all_added(post_pair("/api/v1/datasets/plain/samples", pair.images, sizeof pair.images, pair.labels,
                               sizeof pair.labels));
    assert_all_added(post_pair("/api/v1/datasets/packed/samples", images,
                               gzip(pair.images, sizeof pair.images, images, sizeof images), labels,
                               gzip(pair.labels, sizeof pair.labels, labels, sizeof labels)));
    snprintf(digest, sizeof digest, "%s", text_at(get(server, "/api/v1/datasets/zipped"), "/train/digest"));
    assert_string_equal(text_at(get(server, "/api/v1/datasets/plain"), "/train/digest"), digest);
    assert_string_equal(text_at(get(server, "/api/v1/datasets/packed"), "/train/digest"), digest);
    const struct response *counted = get(server, "/api/v1/datasets/packed");
    assert_int_equal(integer_at(counted, "/train/images"), MANY);
    assert_int_equal(integer_at(counted, "/train/classes/0") + integer_at(counted, "/train/classes/1"), MANY);

    train_on("zipped", zipped);
    train_on("plain", plain);
    wait_for_state(server, zipped, "succeeded");
    wait_for_state(server, plain, "succeeded");
    assert_same(zipped, plain, "/weights_digest");
    for (size_t i = 0; i < 10; i++)
        assert_reads("plain", i);
}

/* `bytes` with one of them changed, for a moment. */
static void with_byte(uint8_t *byte, uint8_t value, const char *pointer, const char *detail)
{
    uint8_t kept = *byte;
    *byte = value;
    const struct response *response =
        post_pair(SAMPLES, pair.images, sizeof pair.images, pair.labels, sizeof pair.labels);
    *byte = kept;
    assert_problem(response, 422, "unreadable", pointer);
    if (!strstr(response->body, detail))
        fail_msg("\"%s\" is not in %s", detail, response->body);
}

static void what_is_wrong_with_idx_files_is_said_and_nothing_added(void **state)
{
    (void)state;
    static uint8_t zeros[10 << 20], bomb[32768];
    memcpy(zeros, (const uint8_t[]){0, 0, 8, 3, 0, 0, MANY >> 8, MANY & 255, 0, 0, 0, 28, 0, 0, 0, 28}, 16);
    make_pair();
    with_byte(pair.images + 2, 9, "/images", "expected type 08");
    with_byte(pair.images + 11, 32, "/images", "expected images of 28x28, found height 32");
    with_byte(pair.images + 7, 255, "/images", "truncated");
    with_byte(pair.labels + 7, 9, "/labels", "expected 400 labels, one an image, found 265");
    with_byte(pair.labels + 8 + 399, 10, "/labels", "label 399 is 10, expected 0 to 9");
    with_byte(pair.images + 5, 255, "/images", "expected a count of 1 to 100000, found");

    assert_problem(post_pair(SAMPLES, zeros, 1, pair.labels, sizeof pair.labels), 422, "unreadable",
                   "/images");
    assert_problem(post_pair(SAMPLES, bomb, gzip(zeros, sizeof zeros, bomb, sizeof bomb), pair.labels,
                             sizeof pair.labels),
                   422, "unreadable", "/images");
    assert_problem(post_form(server, SAMPLES, "images", pair.images, sizeof pair.images), 422, "invalid",
                   "/labels");
    assert_problem(post_form(server, SAMPLES, "labels", pair.labels, sizeof pair.labels), 422, "invalid",
                   "/images");
    const struct response *asked = post_pair(SAMPLES "?label=7&mode=drawing", pair.images, sizeof pair.images,
                                             pair.labels, sizeof pair.labels);
    assert_problem(asked, 422, "invalid", "label");
    assert_problem(asked, 422, "invalid", "mode");
    assert_problem(get(server, "/api/v1/datasets/mine"), 404, "not-found", NULL);
}

/* Removes one sample after the other, in a process of its own. */
static pid_t begin_to_remove(long long first, int count)
{
    char address[160];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    CURL *curl = curl_easy_init();
    for (int i = 0; i < count; i++) {
        snprintf(address, sizeof address, "%s%s", server_url(server), sample_path(first + i, ""));
        curl_easy_setopt(curl, CURLOPT_URL, address);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "DELETE");
        (void)curl_easy_perform(curl);
    }
    _exit(0);
}

static void data_can_be_looked_at_while_samples_are_removed(void **state)
{
    (void)state;
    int status;
    make_pair();
    assert_all_added(post_pair(SAMPLES, pair.images, sizeof pair.images, pair.labels, sizeof pair.labels));
    long long last = integer_at(get(server, SAMPLES "?limit=1"), "/data/0/id"), left = MANY;
    pid_t child = begin_to_remove(last - MANY + 1, MANY - 1);
    while (left > 1) {
        const struct response *response = get(server, "/api/v1/datasets/mine");
        if (response->status != 200)
            fail_msg("%ld %s", response->status, response->body);
        assert_true(integer_at(response, "/train/images") <= left);
        left = integer_at(response, "/train/images");
    }
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void wait_for_sweep(const char *path)
{
    for (int i = 0; i < 12000; i++) {
        const struct response *sweep = get(server, path);
        const char *state = text_at(sweep, "/state");
        if (strcmp(state, "running") != 0) {
            assert_string_equal(state, "succeeded");
            assert_int_equal(integer_at(sweep, "/counts/succeeded"), integer_at(sweep, "/counts/total"));
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("%s has not ended yet", path);
}

#define ON_BOTH                                                                                              \
    "\"datasets\":[{\"name\":\"mnist\"},{\"name\":\"mine\"}],\"training\":{\"epochs\":1,\"train_limit\":"    \
    "200}}"

/* Planning a sweep measures its networks: many samples go meanwhile. */
static void what_is_posted_while_samples_are_removed_is_trained_to_the_end(void **state)
{
    (void)state;
    char path[96], id[JOB_ID_SIZE];
    int status;
    make_pair();
    assert_all_added(post_pair(SAMPLES, pair.images, sizeof pair.images, pair.labels, sizeof pair.labels));
    long long last = integer_at(get(server, SAMPLES "?limit=1"), "/data/0/id");
    pid_t child = begin_to_remove(last - MANY + 1, MANY - 50);
    const struct response *response =
        post_json(server, "/api/v1/sweeps",
                  "{\"parameters\":{\"/model/blocks/filters\":[4,6,8]},\"base\":{" ON_BOTH "}");
    if (response->status != 202)
        fail_msg("%ld %s", response->status, response->body);
    snprintf(path, sizeof path, "/api/v1/sweeps/%s", text_at(response, "/id"));
    for (int i = 0; i < 5; i++) {
        start_job(server, "{" TINY_MODEL "," ON_BOTH, id);
        wait_for_state(server, id, "succeeded");
    }
    wait_for_sweep(path);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_wrong_answer_becomes_an_example_and_can_be_taken_back, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_added_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_trained_on_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(a_mixed_job_that_is_killed_ends_as_one_left_alone, start, stop),
        cmocka_unit_test_setup_teardown(a_version_is_tuned_on_own_data_and_tested_on_mnist, start, stop),
        cmocka_unit_test_setup_teardown(archives_and_idx_files_are_counted_trained_on_and_read, start, stop),
        cmocka_unit_test_setup_teardown(what_is_posted_while_samples_are_removed_is_trained_to_the_end, start,
                                        stop),
        cmocka_unit_test_setup_teardown(data_can_be_looked_at_while_samples_are_removed, start, stop),
        cmocka_unit_test_setup_teardown(what_is_wrong_with_idx_files_is_said_and_nothing_added, start, stop),
    };
    return cmocka_run_group_tests_name("own data", tests, NULL, NULL);
}
