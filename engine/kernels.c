#include "engine/kernels/kernels.h"

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

const struct kernels *kernels_best(void)
{
    return kernels_at(0);
}
