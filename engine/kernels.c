#include "engine/kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

extern const struct kernels kernels_baseline;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2, kernels_avx512;
#endif

static bool runs(const struct kernels *kernels)
{
#if defined(__x86_64__)
    if (kernels == &kernels_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    if (kernels == &kernels_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return kernels == &kernels_baseline;
}

/* Widest first. */
static const struct kernels *const all_kernels[] = {
#if defined(__x86_64__)
    &kernels_avx512,
    &kernels_avx2,
#endif
    &kernels_baseline,
};

const struct kernels *kernels_at(size_t index)
{
    for (size_t i = 0; i < sizeof all_kernels / sizeof *all_kernels; i++)
        if (runs(all_kernels[i]) && index-- == 0)
            return all_kernels[i];
    return NULL;
}

/* The core types of OpenBLAS whose kernels use more than the baseline's instructions and ours do, too. */
static const struct {
    const char *core_type;
    const struct kernels *kernels;
} core_types[] = {
#if defined(__x86_64__)
    {"SapphireRapids", &kernels_avx512},
    {"Cooperlake", &kernels_avx512},
    {"SkylakeX", &kernels_avx512},
    {"Haswell", &kernels_avx2},
    {"Zen", &kernels_avx2},
#endif
    {"", &kernels_baseline},
};

const struct kernels *kernels_of_core_type(const char *core_type)
{
    const struct kernels *kernels = &kernels_baseline;
    for (size_t i = 0; i < sizeof core_types / sizeof *core_types; i++)
        if (strcmp(core_types[i].core_type, core_type) == 0)
            kernels = core_types[i].kernels;
    return runs(kernels) ? kernels : NULL;
}

/* OPENBLAS_CORETYPE pins OpenBLAS to the kernels of one processor, because results must be those of another machine or
 * because the wider ones do not work here. Ours follow, so that one variable pins all that computes. */
const struct kernels *kernels_best(void)
{
    const char *pinned = getenv("OPENBLAS_CORETYPE");
    const struct kernels *kernels = pinned && *pinned ? kernels_of_core_type(engine_core_type()) : NULL;
    return kernels ? kernels : kernels_at(0);
}
