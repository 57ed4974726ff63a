#include "server/forecast.h"

#include "server/clock.h"
#include "server/meter.h"

#include <stdlib.h>

/* Enough for many steps an epoch: what an epoch's end costs is not part of the rate. */
#define LEAST_IMAGES 4096

#define WARM_UP_SECONDS 0.2
#define MEASURE_SECONDS 0.8

static enum status make_images(size_t count, struct dataset **ret_dataset, struct error *err)
{
    uint8_t *images = malloc(count * IMAGE_PIXELS), *labels = malloc(count);
    enum status status = images && labels ? OK : error_set(err, ERR_MEMORY, "no memory for made-up images");
    if (status == OK) {
        uint32_t noise = 1;
        for (size_t i = 0; i < count * IMAGE_PIXELS; i++) {
            noise = noise * 1664525 + 1013904223; /* Numerical Recipes' generator: any noise will do */
            images[i] = (uint8_t)(noise >> 24);
        }
        for (size_t i = 0; i < count; i++)
            labels[i] = (uint8_t)(i % CLASSES);
        status = dataset_create(images, labels, count, ret_dataset, err);
    }
    free(labels);
    free(images);
    return status;
}

/* Trains for so long, at least a step; gives the images a second. */
static enum status train_for(struct trainer *trainer, double seconds, double *ret_rate, struct error *err)
{
    double begin = clock_seconds(), now;
    int64_t before = trainer_progress(trainer).images;
    do {
        enum trainer_event event;
        enum status status = trainer_advance(trainer, &event, err);
        if (status != OK)
            return status;
        now = clock_seconds();
    } while (now - begin < seconds);
    *ret_rate = (double)(trainer_progress(trainer).images - before) / (now - begin);
    return OK;
}

static enum status measure(const struct model_plan *plan, const struct train_config *config,
                           struct thread_team *team, double *ret_rate, struct error *err)
{
    size_t count = 8 * (size_t)config->batch_size;
    struct train_config steps_only = *config;
    struct dataset *images = NULL;
    struct trainer *trainer = NULL;
    steps_only.epochs = 1000;
    steps_only.validation_split = 0;
    steps_only.train_limit = 0;
    steps_only.learning_rate = 1e-6; /* noise teaches nothing, but must not diverge */
    enum status status = make_images(count > LEAST_IMAGES ? count : LEAST_IMAGES, &images, err);
    if (status == OK)
        status = trainer_create(plan, &steps_only, images, team, &trainer, err);
    if (status == OK)
        status = train_for(trainer, WARM_UP_SECONDS, ret_rate, err);
    if (status == OK)
        status = train_for(trainer, MEASURE_SECONDS, ret_rate, err);
    trainer_free(trainer);
    dataset_unref(images);
    return status;
}

enum status forecast_training(const struct model_plan *plan, const struct train_config *config,
                              int64_t images, int64_t test_images, struct thread_team *team,
                              struct forecast *ret_forecast, struct error *err)
{
    double rate;
    enum status status = measure(plan, config, team, &rate, err);
    if (status != OK)
        return status;
    const struct meter_plan run =
        meter_plan_of(config, train_split_of(config, (size_t)images), (size_t)test_images);
    *ret_forecast = (struct forecast){.images_per_second = rate, .seconds = meter_forecast(&run, rate)};
    return OK;
}
