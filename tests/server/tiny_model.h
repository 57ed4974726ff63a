/* The smallest network there is, one dense layer: its weights are random, and others for each seed. */
#ifndef DIGITD_TESTS_TINY_MODEL_H
#define DIGITD_TESTS_TINY_MODEL_H

#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline struct model *make_model(uint64_t seed)
{
    const struct model_spec spec = {
        .count = 2,
        .layers = {{.kind = LAYER_FLATTEN},
                   {.kind = LAYER_DENSE, .units = CLASSES, .activation = ACTIVATION_SOFTMAX}}};
    struct model_plan plan;
    struct problems problems = {0};
    struct model *model;
    assert_int_equal(model_plan_create(&spec, "", &plan, &problems), OK);
    assert_int_equal(model_create(&plan, seed, &model, NULL), OK);
    return model;
}

#endif
