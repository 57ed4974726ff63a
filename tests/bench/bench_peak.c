/* Measures what the processor can do at most: `bench_peak THREADS SECONDS`. For each line read, THREADS threads multiply
 * and add in registers, and it prints {"gflops": …}, all threads together, one multiply-add being two operations. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

#define CHAINS 12 /* more than a multiply-add takes cycles, times the units */
#define ROUNDS 100000

typedef float vec4 __attribute__((vector_size(16)));
typedef float vec8 __attribute__((vector_size(32)));
typedef float vec16 __attribute__((vector_size(64)));

static _Atomic float sink; /* so that the work is not left out */

/* One line a chain, so that each stays in a register of its own. */
#define EACH_CHAIN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define BEGIN(i)       vec sum##i = factor * i;
#define STEP(i)        sum##i = sum##i * factor + term;
#define COLLECT(i)     total += sum##i;

#define MULTIPLY_ADD(name, type)                                                                             \
    static double name(void)                                                                                 \
    {                                                                                                        \
        typedef type vec;                                                                                    \
        vec factor = (vec){0} + 0.999999f, term = (vec){0} + 1e-6f, total = {0};                             \
        EACH_CHAIN(BEGIN)                                                                                    \
        for (int round = 0; round < ROUNDS; round++) {                                                       \
            EACH_CHAIN(STEP)                                                                                 \
        }                                                                                                    \
        EACH_CHAIN(COLLECT)                                                                                  \
        sink = total[0];                                                                                     \
        return 2.0 * CHAINS * ROUNDS * (double)(sizeof(vec) / sizeof(float));                                \
    }

#ifdef __x86_64__
__attribute__((target("avx512f"))) MULTIPLY_ADD(multiply_add_avx512, vec16)
    __attribute__((target("avx2,fma"))) MULTIPLY_ADD(multiply_add_avx2, vec8)
#endif
        MULTIPLY_ADD(multiply_add_baseline, vec4)

            typedef double work(void); /* returns the operations done */

static work *widest(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return multiply_add_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return multiply_add_avx2;
#endif
    return multiply_add_baseline;
}

struct worker {
    pthread_t thread;
    double seconds, per_second;
};

static void *run(void *argument)
{
    struct worker *worker = argument;
    work *multiply_add = widest();
    double start = bench_now(), elapsed, operations = 0;
    do {
        operations += multiply_add();
        elapsed = bench_now() - start;
    } while (elapsed < worker->seconds);
    worker->per_second = operations / elapsed;
    return NULL;
}

static int measure(struct worker *workers, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
            return 1;
    for (int i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        sum += workers[i].per_second;
    }
    printf("{\"gflops\": %.2f}\n", sum * 1e-9);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[1]) : 0;
    struct worker *workers = calloc((size_t)(count > 0 ? count : 1), sizeof *workers);
    if (count < 1 || !workers) {
        fprintf(stderr, "usage: bench_peak THREADS SECONDS\n");
        return 2;
    }
    for (int i = 0; i < count; i++)
        workers[i].seconds = atof(argv[2]);
    printf("{\"name\": \"multiply-adds in registers\", \"detail\": \"%d threads\"}\n", count);
    fflush(stdout);
    int failed = 0;
    while (!failed && bench_next())
        failed = measure(workers, count);
    free(workers);
    return failed;
}
