/* What the engine's tests share: numbers to test with, comparison, small models and datasets. */
#ifndef TESTS_ENGINE_CHECK_H
#define TESTS_ENGINE_CHECK_H

#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* count floats, uniform in [-limit, limit), the same for the same seed; free() them. */
float *random_floats(uint64_t seed, size_t count, float limit);

/* Fails unless each actual value is within `tolerance` of the expected, relative to the largest expected. */
void assert_close(const char *what, const float *actual, const double *expected, size_t count,
                  double tolerance);

/* A dataset of `count` images: a bright bar whose place tells the label, under noise. Easy to learn. */
struct dataset *bars_dataset(size_t count);

/* The plan of layers in JSON, or of a preset; fails the test on a problem. */
struct model_plan plan_from_json(const char *json);

struct thread_team *team_of(int threads);

#endif
