/* Measures training: the reference model on MNIST, as
 * `bench_train DATA_FOLDER THREADS BATCH_SIZE SECONDS [FILTERS]`.
 *
 * For each line read it trains for SECONDS and prints {"images_per_second": …}; at the end, the microseconds of work an
 * image that each layer took: {"layers": [{"name": …, "forward": …, "backward": …}, …]}. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

static enum status create_trainer(char **arguments, struct thread_team *team, struct trainer **ret_trainer,
                                  struct error *err)
{
    struct train_config config = train_config_default();
    struct model_plan plan;
    struct dataset *data;
    config.batch_size = atoi(arguments[2]);
    config.epochs = 1000;
    config.validation_split = 0;

    enum status status = bench_plan(arguments[4] ? atoi(arguments[4]) : 0, &plan, err);
    if (status == OK)
        status = dataset_load(arguments[0], SPLIT_TRAIN, &data, err);
    if (status != OK)
        return status;
    status = trainer_create(&plan, &config, data, team, ret_trainer, err);
    dataset_unref(data);
    return status == OK ? trainer_measure(*ret_trainer, err) : status;
}

static enum status measure(struct trainer *trainer, double seconds, struct error *err)
{
    int64_t images = trainer_progress(trainer).images;
    double start = bench_now(), elapsed;
    do {
        enum trainer_event event;
        enum status status = trainer_advance(trainer, &event, err);
        if (status != OK)
            return status;
        elapsed = bench_now() - start;
    } while (elapsed < seconds);
    printf("{\"images_per_second\": %.1f}\n", (double)(trainer_progress(trainer).images - images) / elapsed);
    fflush(stdout);
    return OK;
}

static void print_layers(const struct trainer *trainer)
{
    struct train_share shares[TRAIN_SHARES_MAX];
    size_t count = trainer_shares(trainer, shares);
    double scale = 1e6 / (double)trainer_progress(trainer).images;
    printf("{\"layers\": [");
    for (size_t i = 0; i < count; i++)
        printf("%s{\"name\": \"%s\", \"forward\": %.2f, \"backward\": %.2f}", i ? ", " : "", shares[i].name,
               shares[i].forward * scale, shares[i].backward * scale);
    printf("]}\n");
}

static enum status run(char **arguments, struct error *err)
{
    struct thread_team *team = NULL;
    struct trainer *trainer = NULL;
    enum status status = engine_init(err);
    if (status == OK)
        status = thread_team_create(atoi(arguments[1]), false, &team, err);
    if (status == OK)
        status = create_trainer(arguments, team, &trainer, err);
    if (status == OK)
        bench_introduce();
    while (status == OK && bench_next())
        status = measure(trainer, atof(arguments[3]), err);
    if (status == OK)
        print_layers(trainer);
    trainer_free(trainer);
    thread_team_free(team);
    return status;
}

int main(int argc, char **argv)
{
    struct error err;
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: bench_train DATA_FOLDER THREADS BATCH_SIZE SECONDS [FILTERS]\n");
        return 2;
    }
    if (run(argv + 1, &err) == OK)
        return 0;
    fprintf(stderr, "bench_train: %s\n", err.message);
    return 1;
}
