#include "tests/engine/check.h"

#include "engine/alloc.h"
#include "engine/rng.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

float *random_floats(uint64_t seed, size_t count, float limit)
{
    float *values = aligned_new(count, sizeof *values);
    assert_non_null(values);
    struct rng rng = rng_at(seed, RNG_INITIALISE, 99, 0);
    rng_fill_uniform(&rng, limit, values, count);
    return values;
}

void assert_close(const char *what, const float *actual, const double *expected, size_t count,
                  double tolerance)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)actual[i] - expected[i]) <= tolerance * largest + 1e-30))
            fail_msg("%s: element %zu is %.9g, expected %.9g (largest %.9g)", what, i, (double)actual[i],
                     expected[i], largest);
}

struct dataset *bars_dataset(size_t count)
{
    uint8_t *images = calloc(count, IMAGE_PIXELS), *labels = calloc(count, 1);
    assert_non_null(images);
    assert_non_null(labels);
    struct rng rng = rng_at(7, RNG_SHUFFLE, 1, 0);
    for (size_t i = 0; i < count; i++) {
        labels[i] = (uint8_t)(rng_u64(&rng, i) % CLASSES);
        for (size_t pixel = 0; pixel < IMAGE_PIXELS; pixel++) {
            bool bar = pixel / IMAGE_SIDE / 2 == (size_t)labels[i] + 2;
            uint64_t noise = rng_u64(&rng, count + i * IMAGE_PIXELS + pixel) % 64;
            images[i * IMAGE_PIXELS + pixel] = (uint8_t)((bar ? 160 : 0) + noise);
        }
    }
    struct dataset *dataset = NULL;
    assert_int_equal(dataset_create(images, labels, count, &dataset, NULL), OK);
    free(images);
    free(labels);
    return dataset;
}

struct model_plan plan_from_json(const char *json)
{
    struct model_spec spec;
    struct model_plan plan = {0};
    struct problems problems = {0};
    json_t *value = json_loads(json, 0, NULL);
    assert_non_null(value);
    enum status status = model_spec_from_json(value, "", &spec, &problems);
    if (status == OK)
        status = model_plan_create(&spec, "", &plan, &problems);
    if (status != OK)
        fail_msg("%s: %s %s", json, problems.items[0].pointer, problems.items[0].message);
    json_decref(value);
    return plan;
}

struct thread_team *team_of(int threads)
{
    struct thread_team *team = NULL;
    assert_int_equal(thread_team_create(threads, false, &team, NULL), OK);
    return team;
}
