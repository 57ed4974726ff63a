/* How long training would take: measured on real steps, about a second of them, with made-up images. */
#ifndef DIGITD_FORECAST_H
#define DIGITD_FORECAST_H

#include "engine/engine.h"

struct forecast {
    double images_per_second; /* while training */
    double seconds;           /* of the whole run, its validations and test included */
};

/* For `images` training images, of which the configuration's share validates, and `test_images`. Takes about a second,
 * or as long as two steps. Errors as trainer_create. */
MUST_CHECK enum status forecast_training(const struct model_plan *plan, const struct train_config *config,
                                         int64_t images, int64_t test_images, struct thread_team *team,
                                         struct forecast *ret_forecast, struct error *err);

#endif
