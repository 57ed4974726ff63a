/* Recipes, fine-tuning and what training sees, through the API. */
#include "server/png.h"
#include "tests/api/harness.h"
#include "tests/api/training.h"

#include <stdlib.h>

static struct server *server;

/* ---- Recipes ---------------------------------------------------------------------------------------- */

static void recipes_are_listed_with_what_they_train(void **state)
{
    (void)state;
    const struct response *list = get(server, "/api/v1/recipes");
    assert_int_equal(list->status, 200);
    assert_int_equal(json_array_size(json_at(list, "/data")), 4);
    assert_string_equal(text_at(list, "/data/0/name"), "reference");
    assert_string_equal(text_at(list, "/data/2/name"), "best");
    assert_int_equal(integer_at(list, "/data/0/parameters"), 889834);
    assert_int_equal(integer_at(list, "/data/0/training/epochs"), 10);
    assert_int_equal(integer_at(list, "/data/2/training/epochs"), 40);
    assert_true(json_number_value(json_at(list, "/data/2/training/augmentation/rotation")) > 0);
    assert_string_equal(text_at(list, "/data/0/model/layers/0/type"), "conv2d");
    assert_true(strlen(text_at(list, "/data/1/description")) > 20);
}

/* What the list says of a recipe may be sent as a request, and comes to the same job as its name. */
static void a_recipe_by_name_is_the_recipe_written_out(void **state)
{
    (void)state;
    const struct response *list = get(server, "/api/v1/recipes");
    json_t *request = json_pack("{s:O, s:O}", "model", json_at(list, "/data/1/model"), "training",
                                json_at(list, "/data/1/training"));
    char *text = json_dumps(request, JSON_COMPACT), id[JOB_ID_SIZE];
    const struct response *job = post_json(server, "/api/v1/jobs", text);
    assert_int_equal(job->status, 202);
    json_t *config = json_deep_copy(json_at(job, "/config"));
    snprintf(id, sizeof id, "%s", text_at(job, "/id"));
    cancel_job(server, id);
    assert_null(json_object_get(config, "recipe"));

    job = post_json(server, "/api/v1/jobs", "{\"recipe\":\"quick\"}");
    assert_string_equal(text_at(job, "/config/recipe"), "quick");
    assert_true(json_equal(json_at(job, "/config/training"), json_object_get(config, "training")));
    assert_true(json_equal(json_at(job, "/config/model"), json_object_get(config, "model")));
    snprintf(id, sizeof id, "%s", text_at(job, "/id"));
    cancel_job(server, id);
    json_decref(config);
    json_decref(request);
    free(text);
}

static void an_unknown_recipe_is_told_which_there_are(void **state)
{
    (void)state;
    const struct response *response = post_json(server, "/api/v1/jobs", "{\"recipe\":\"slow\"}");
    assert_problem(response, 422, "invalid", "/recipe");
    assert_non_null(strstr(response->body, "reference, quick, best, drawings"));
}

/* ---- Fine-tuning ------------------------------------------------------------------------------------ */

/* With a learning rate that changes nothing the result is the origin, weight by weight. */
static void a_job_begins_where_a_version_ended_also_after_a_kill(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE], request[320], path[96], origin_digest[65];
    start_job(server, "{\"name\":\"origin\"," TINY_MODEL ",\"training\":{\"epochs\":1,\"train_limit\":500}}",
              id);
    wait_for_state(server, id, "succeeded");
    snprintf(origin_digest, sizeof origin_digest, "%s",
             text_at(get(server, "/api/v1/models/origin/versions/1"), "/weights_digest"));

    snprintf(request, sizeof request,
             "{\"name\":\"tuned\",\"init_from\":{\"model\":\"origin\",\"version\":1},\"training\":{"
             "\"epochs\":5,\"train_limit\":4000,\"batch_size\":16,\"learning_rate\":1e-30}}");
    start_job(server, request, id);
    wait_for_epoch(server, id, 2);
    server_kill_and_restart(server);
    const struct response *job = wait_for_state(server, id, "succeeded");
    snprintf(path, sizeof path, "/api/v1/models/tuned/versions/%lld",
             integer_at(job, "/result/model/version"));
    const struct response *version = get(server, path);
    assert_string_equal(text_at(version, "/weights_digest"), origin_digest);
    assert_string_equal(text_at(version, "/config/init_from/model"), "origin");
    assert_int_equal(integer_at(version, "/config/init_from/version"), 1);
    assert_int_equal(json_array_size(json_at(version, "/config/model/layers")), 5);
}

static void a_job_cannot_begin_with_what_is_not_there(void **state)
{
    (void)state;
    const struct response *response =
        post_json(server, "/api/v1/jobs", "{\"init_from\":{\"model\":\"nobody\",\"version\":1}}");
    assert_problem(response, 422, "invalid", "/init_from/version");
    assert_non_null(strstr(response->body, "nobody"));
}

/* ---- Early stopping --------------------------------------------------------------------------------- */

static void a_run_that_stopped_early_says_so(void **state)
{
    (void)state;
    char id[JOB_ID_SIZE];
    start_job(server,
              "{" TINY_MODEL ",\"training\":{\"epochs\":500,\"train_limit\":300,\"patience\":2,"
              "\"learning_rate\":0.3}}",
              id);
    const struct response *job = wait_for_state(server, id, "succeeded");
    long long epochs = integer_at(job, "/result/epochs");
    assert_true(json_is_true(json_at(job, "/result/stopped_early")));
    assert_in_range(epochs, 3, 499);
    assert_int_equal(integer_at(job, "/result/best_epoch"), epochs - 2);
}

/* ---- Images ----------------------------------------------------------------------------------------- */

#define IMAGE "/api/v1/datasets/mnist/train/7.png"

/* The grey levels of a reply; valid until the next call. */
static const uint8_t *levels_of(const struct response *response)
{
    static uint8_t levels[IMAGE_PIXELS];
    struct pixels pixels;
    struct error err;
    assert_int_equal(response->status, 200);
    assert_string_equal(response_header(response, "Content-Type"), "image/png");
    if (png_decode((const uint8_t *)response->body, response->size, &pixels, &err))
        fail_msg("%s", err.message);
    assert_int_equal(pixels.width, IMAGE_SIDE);
    assert_int_equal(pixels.height, IMAGE_SIDE);
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        levels[i] = pixels.rgba[4 * i];
    free(pixels.rgba);
    return levels;
}

/* MNIST's own image, by the engine's reader. */
static void read_original(uint8_t ret_image[IMAGE_PIXELS])
{
    const char *data = getenv("DIGITD_DATA_DIR");
    char folder[4096];
    struct dataset *dataset;
    snprintf(folder, sizeof folder, "%s/mnist", data ? data : "data/datasets");
    assert_int_equal(dataset_load(folder, SPLIT_TRAIN, &dataset, NULL), OK);
    memcpy(ret_image, dataset_image(dataset, 7), IMAGE_PIXELS);
    dataset_unref(dataset);
}

static void an_image_is_shown_as_it_is(void **state)
{
    (void)state;
    uint8_t original[IMAGE_PIXELS];
    read_original(original);
    assert_memory_equal(levels_of(get(server, IMAGE)), original, IMAGE_PIXELS);
    assert_memory_equal(levels_of(get(server, IMAGE "?augment=reference")), original, IMAGE_PIXELS);
}

static void an_image_is_shown_as_training_sees_it(void **state)
{
    (void)state;
    uint8_t original[IMAGE_PIXELS], expected[IMAGE_PIXELS];
    struct model_spec spec;
    struct train_config best;
    read_original(original);
    assert_int_equal(recipe_find("best", &spec, &best, NULL), OK);
    augment_preview(&best.augmentation, best.seed, 3, 7, original, expected);
    assert_memory_equal(levels_of(get(server, IMAGE "?augment=best&variant=3")), expected, IMAGE_PIXELS);
    assert_memory_not_equal(levels_of(get(server, IMAGE "?augment=best&variant=4")), expected, IMAGE_PIXELS);

    struct augmentation moved = {.shift = 4};
    augment_preview(&moved, best.seed, 1, 7, original, expected);
    assert_memory_equal(levels_of(get(server, IMAGE "?shift=4")), expected, IMAGE_PIXELS);

    best.augmentation.rotation = 0; /* one range of the recipe's replaced */
    augment_preview(&best.augmentation, best.seed, 1, 7, original, expected);
    assert_memory_equal(levels_of(get(server, IMAGE "?augment=best&rotation=0")), expected, IMAGE_PIXELS);
}

static void an_image_that_cannot_be_is_refused(void **state)
{
    (void)state;
    assert_problem(get(server, IMAGE "?augment=slow"), 400, "malformed", "augment");
    assert_problem(get(server, IMAGE "?rotation=46"), 400, "malformed", "rotation");
    assert_problem(get(server, IMAGE "?rotation=nan"), 400, "malformed", "rotation");
    assert_problem(get(server, IMAGE "?shift=%20%31"), 400, "malformed", "shift");
    assert_problem(get(server, IMAGE "?shift=%ff"), 400, "malformed", "shift");
    assert_problem(get(server, IMAGE "?shift="), 400, "malformed", "shift");
    assert_problem(get(server, IMAGE "?scale=-0.1&shear=9"), 400, "malformed", "shear");
    assert_problem(get(server, IMAGE "?variant=0"), 400, "malformed", "variant");
    assert_problem(get(server, "/api/v1/datasets/mnist/train/60000.png"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/datasets/mnist/test/10000.png"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/datasets/mnist/train/-1.png"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/datasets/mnist/train/one.png"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/datasets/mnist/all/1.png"), 404, "not-found", NULL);
    assert_problem(get(server, "/api/v1/datasets/absent/train/1.png"), 404, "not-found", NULL);
    assert_int_equal(get(server, "/api/v1/datasets/mnist/test/9999.png")->status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipes_are_listed_with_what_they_train),
        cmocka_unit_test(a_recipe_by_name_is_the_recipe_written_out),
        cmocka_unit_test(an_unknown_recipe_is_told_which_there_are),
        cmocka_unit_test(a_job_begins_where_a_version_ended_also_after_a_kill),
        cmocka_unit_test(a_job_cannot_begin_with_what_is_not_there),
        cmocka_unit_test(a_run_that_stopped_early_says_so),
        cmocka_unit_test(an_image_is_shown_as_it_is),
        cmocka_unit_test(an_image_is_shown_as_training_sees_it),
        cmocka_unit_test(an_image_that_cannot_be_is_refused),
    };
    return run_with_server("api recipes", tests, sizeof tests / sizeof *tests, NULL, &server);
}
