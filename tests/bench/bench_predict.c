/* Measures prediction on one thread: `bench_predict MODEL.safetensors BATCH_SIZE SECONDS`. For each line read it
 * predicts for SECONDS and prints {"images_per_second": …}. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

#define IMAGE ((size_t)784)

static void measure(struct predictor *predictor, size_t batch_size, double seconds, const float *images,
                    float *probabilities)
{
    double start = bench_now(), elapsed, count = 0;
    do {
        predictor_run(predictor, images, batch_size, probabilities);
        count += (double)batch_size;
        elapsed = bench_now() - start;
    } while (elapsed < seconds);
    printf("{\"images_per_second\": %.1f}\n", count / elapsed);
    fflush(stdout);
}

static enum status run(char **arguments, struct error *err)
{
    struct model *model = NULL;
    struct predictor *predictor = NULL;
    size_t batch_size = (size_t)atoi(arguments[1]);
    float *images = calloc(batch_size, IMAGE * sizeof *images);
    float *probabilities = calloc(batch_size, 10 * sizeof *probabilities);
    enum status status =
        images && probabilities ? engine_init(err) : error_set(err, ERR_MEMORY, "no memory for a batch");
    if (status == OK)
        status = model_load(arguments[0], &model, err);
    if (status == OK)
        status = predictor_create(model, batch_size, &predictor, err);
    if (status == OK) {
        for (size_t i = 0; i < batch_size * IMAGE; i++)
            images[i] = (float)(i * 37 % 256) / 255;
        bench_introduce();
        while (bench_next())
            measure(predictor, batch_size, atof(arguments[2]), images, probabilities);
    }
    predictor_free(predictor);
    model_unref(model);
    free(images);
    free(probabilities);
    return status;
}

int main(int argc, char **argv)
{
    struct error err;
    if (argc != 4 || atoi(argv[2]) < 1) {
        fprintf(stderr, "usage: bench_predict MODEL.safetensors BATCH_SIZE SECONDS\n");
        return 2;
    }
    if (run(argv + 1, &err) == OK)
        return 0;
    fprintf(stderr, "bench_predict: %s\n", err.message);
    return 1;
}
