#include "tests/bench/bench.h"

#include <stdio.h>
#include <time.h>

double bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bench_introduce(void)
{
    printf("{\"name\": \"digitd %s\", \"detail\": \"%s, core type %s, %s kernels\"}\n", DIGITD_VERSION,
           engine_blas_version(), engine_core_type(), engine_instruction_set());
    fflush(stdout);
}

bool bench_next(void)
{
    char line[16];
    return fgets(line, sizeof line, stdin) != NULL;
}

enum status bench_plan(int filters, struct model_plan *ret_plan, struct error *err)
{
    struct problems problems = {0};
    struct model_spec spec;
    enum status status = model_spec_preset("reference", &spec, err);
    if (status != OK)
        return status;
    for (size_t i = 0; filters > 0 && i < spec.count; i++)
        if (spec.layers[i].kind == LAYER_CONV2D)
            spec.layers[i].filters = filters;
    if (model_plan_create(&spec, "", ret_plan, &problems) != OK)
        return problems_first(&problems, err);
    return OK;
}
