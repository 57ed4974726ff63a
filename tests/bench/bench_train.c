/* Measures training: the reference model on MNIST, as `bench_train DATA_FOLDER THREADS BATCH_SIZE SECONDS`.
 *
 * First prints what runs as one JSON object; then for each line read from standard input trains for SECONDS and
 * prints {"images_per_second": …}. Between measurements it waits, so that a peer can take its turn. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/engine.h"

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static enum status create_trainer(const char *folder, int batch_size, struct thread_team *team,
                                  struct trainer **ret_trainer, struct error *err)
{
    struct train_config config = train_config_default();
    struct problems problems = {0};
    struct model_spec spec;
    struct model_plan plan;
    struct dataset *data;
    config.batch_size = batch_size;
    config.epochs = 1000;
    config.validation_split = 0;

    enum status status = model_spec_preset("reference", &spec, err);
    if (status != OK)
        return status;
    if (model_plan_create(&spec, "", &plan, &problems) != OK)
        return problems_first(&problems, err);
    status = dataset_load(folder, SPLIT_TRAIN, &data, err);
    if (status != OK)
        return status;
    status = trainer_create(&plan, &config, data, team, ret_trainer, err);
    dataset_unref(data);
    return status;
}

static enum status measure(struct trainer *trainer, double seconds, struct error *err)
{
    int64_t images = trainer_progress(trainer).images;
    double start = now_seconds(), elapsed;
    do {
        enum trainer_event event;
        enum status status = trainer_advance(trainer, &event, err);
        if (status != OK)
            return status;
        elapsed = now_seconds() - start;
    } while (elapsed < seconds);
    printf("{\"images_per_second\": %.1f}\n", (double)(trainer_progress(trainer).images - images) / elapsed);
    fflush(stdout);
    return OK;
}

static enum status run(char **arguments, struct error *err)
{
    struct thread_team *team = NULL;
    struct trainer *trainer = NULL;
    char line[16];
    enum status status = engine_init(err);
    if (status == OK)
        status = thread_team_create(atoi(arguments[1]), false, &team, err);
    if (status == OK)
        status = create_trainer(arguments[0], atoi(arguments[2]), team, &trainer, err);
    if (status == OK) {
        printf("{\"name\": \"digitd %s\", \"detail\": \"%s, core type %s\"}\n", DIGITD_VERSION,
               engine_blas_version(), engine_core_type());
        fflush(stdout);
    }
    while (status == OK && fgets(line, sizeof line, stdin))
        status = measure(trainer, atof(arguments[3]), err);
    trainer_free(trainer);
    thread_team_free(team);
    return status;
}

int main(int argc, char **argv)
{
    struct error err;
    if (argc != 5) {
        fprintf(stderr, "usage: bench_train DATA_FOLDER THREADS BATCH_SIZE SECONDS\n");
        return 2;
    }
    if (run(argv + 1, &err) == OK)
        return 0;
    fprintf(stderr, "bench_train: %s\n", err.message);
    return 1;
}
