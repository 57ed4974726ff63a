/* Measures prediction: `bench_predict MODEL.safetensors BATCH_SIZE SECONDS [THREADS]`. For each line read, each of the
 * threads (1) predicts for SECONDS, and it prints {"images_per_second": …} of all together. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

#define IMAGE       ((size_t)784)
#define THREADS_MAX 64

struct worker {
    pthread_t thread;
    struct predictor *predictor;
    size_t batch_size;
    double seconds;
    float *images, *probabilities;
    double images_per_second; /* of the last measurement */
};

static void *predict(void *argument)
{
    struct worker *worker = argument;
    double start = bench_now(), elapsed, count = 0;
    do {
        predictor_run(worker->predictor, worker->images, worker->batch_size, worker->probabilities);
        count += (double)worker->batch_size;
        elapsed = bench_now() - start;
    } while (elapsed < worker->seconds);
    worker->images_per_second = count / elapsed;
    return NULL;
}

static enum status measure(struct worker *workers, size_t count, struct error *err)
{
    double sum = 0;
    for (size_t i = 1; i < count; i++)
        if (pthread_create(&workers[i].thread, NULL, predict, &workers[i]) != 0)
            return error_set(err, ERR_MEMORY, "cannot start %zu threads", count);
    predict(&workers[0]);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            pthread_join(workers[i].thread, NULL);
        sum += workers[i].images_per_second;
    }
    printf("{\"images_per_second\": %.1f}\n", sum);
    fflush(stdout);
    return OK;
}

static enum status worker_prepare(struct worker *worker, struct model *model, size_t batch_size,
                                  double seconds, struct error *err)
{
    *worker = (struct worker){.batch_size = batch_size,
                              .seconds = seconds,
                              .images = malloc(batch_size * IMAGE * sizeof *worker->images),
                              .probabilities = malloc(batch_size * CLASSES * sizeof *worker->probabilities)};
    if (!worker->images || !worker->probabilities)
        return error_set(err, ERR_MEMORY, "no memory for a batch");
    for (size_t i = 0; i < batch_size * IMAGE; i++)
        worker->images[i] = (float)(i * 37 % 256) / 255;
    return predictor_create(model, batch_size, &worker->predictor, err);
}

static enum status run(char **arguments, size_t threads, struct error *err)
{
    static struct worker workers[THREADS_MAX];
    struct model *model = NULL;
    size_t batch_size = (size_t)atoi(arguments[1]);
    enum status status = engine_init(err);
    if (status == OK)
        status = model_load(arguments[0], &model, err);
    for (size_t i = 0; i < threads && status == OK; i++)
        status = worker_prepare(&workers[i], model, batch_size, atof(arguments[2]), err);
    if (status == OK)
        bench_introduce();
    while (status == OK && bench_next())
        status = measure(workers, threads, err);
    for (size_t i = 0; i < threads; i++) {
        predictor_free(workers[i].predictor);
        free(workers[i].images);
        free(workers[i].probabilities);
    }
    model_unref(model);
    return status;
}

int main(int argc, char **argv)
{
    struct error err;
    int threads = argc == 5 ? atoi(argv[4]) : 1;
    if (argc < 4 || argc > 5 || atoi(argv[2]) < 1 || threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: bench_predict MODEL.safetensors BATCH_SIZE SECONDS [THREADS]\n");
        return 2;
    }
    if (run(argv + 1, (size_t)threads, &err) == OK)
        return 0;
    fprintf(stderr, "bench_predict: %s\n", err.message);
    return 1;
}
