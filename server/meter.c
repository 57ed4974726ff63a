#include "server/meter.h"

#include <math.h>

/* Of fewer validation images than a tenth of the test images, what follows an epoch is mostly bookkeeping. */
#define ENOUGH        10
#define FORWARD_SHARE (1.0 / 3.0) /* of the time of a training image: forward, and two backward products */

struct meter_plan meter_plan_of(const struct train_config *config, struct train_split split,
                                size_t test_images)
{
    return (struct meter_plan){.epochs = config->epochs,
                               .train_images = config->epochs * (int64_t)split.train,
                               .validation_images = (int64_t)split.validation,
                               .test_images = (int64_t)test_images};
}

void meter_start(struct meter *meter, const struct meter_plan *plan, double now, int64_t images, int epoch)
{
    *meter = (struct meter){.plan = *plan, .images = images, .epoch = epoch, .last = now};
}

void meter_step(struct meter *meter, double now, int64_t images)
{
    double seconds = now - meter->last, faded = exp(-seconds / METER_MEMORY);
    meter->recent_seconds = meter->recent_seconds * faded + seconds;
    meter->recent_images = meter->recent_images * faded + (double)(images - meter->images);
    meter->trained += seconds;
    meter->is_whole = true;
    meter->images = images;
    meter->last = now;
}

void meter_epoch(struct meter *meter, double now)
{
    if (meter->is_whole) {
        meter->between_seconds += now - meter->last;
        meter->between_count++;
    }
    meter->is_whole = false;
    meter->epoch++;
    meter->last = now;
}

void meter_end_early(struct meter *meter)
{
    meter->plan.epochs = meter->epoch;
    meter->plan.train_images = meter->images;
}

void meter_test(struct meter *meter, double now, int64_t tested)
{
    meter->test_seconds += now - meter->last;
    meter->tested = tested;
    meter->last = now;
}

double meter_rate(const struct meter *meter)
{
    return meter->trained < METER_WARMUP ? NAN : meter->recent_images / meter->recent_seconds;
}

/* Of one epoch's validation and bookkeeping. */
static double expected_between(const struct meter *meter, double rate)
{
    if (meter->between_count)
        return meter->between_seconds / meter->between_count;
    return (double)meter->plan.validation_images * FORWARD_SHARE / rate;
}

static double expected_test(const struct meter *meter, double rate)
{
    const struct meter_plan *plan = &meter->plan;
    double an_image = FORWARD_SHARE / rate;
    if (meter->tested)
        an_image = meter->test_seconds / (double)meter->tested;
    else if (meter->between_count && plan->validation_images >= plan->test_images / ENOUGH)
        an_image = expected_between(meter, rate) / (double)plan->validation_images;
    return an_image * (double)(plan->test_images - meter->tested);
}

double meter_forecast(const struct meter_plan *plan, double rate)
{
    double forward = (double)(plan->epochs * plan->validation_images + plan->test_images);
    return ((double)plan->train_images + forward * FORWARD_SHARE) / rate;
}

double meter_eta(const struct meter *meter, double now)
{
    double rate = meter_rate(meter), total = expected_test(meter, rate);
    if (meter->plan.train_images > meter->images)
        total += (double)(meter->plan.train_images - meter->images) / rate;
    if (meter->plan.epochs > meter->epoch)
        total += (meter->plan.epochs - meter->epoch) * expected_between(meter, rate);
    double since = now - meter->last; /* of the piece of work under way */
    return isnan(total) ? NAN : fmax(total - since, 0);
}
