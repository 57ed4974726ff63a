#include "server/loss_series.h"

#include <math.h>

void loss_series_start(struct loss_series *series)
{
    series->stride = 1;
    series->count = 0;
}

static void forget_every_second(struct loss_series *series)
{
    series->stride *= 2;
    series->count /= 2;
    for (size_t i = 0; i < series->count; i++)
        series->losses[i] = series->losses[2 * i + 1];
}

void loss_series_add(struct loss_series *series, int64_t step, double loss)
{
    if (series->count == LOSS_SERIES_MAX)
        forget_every_second(series);
    if (step % series->stride == 0)
        series->losses[series->count++] = (float)loss;
}

void loss_series_resume(struct loss_series *series, const struct step_losses *kept, int64_t step)
{
    size_t count = (size_t)(step / kept->stride);
    loss_series_start(series);
    series->stride = kept->stride;
    for (size_t i = 0; i < count && i < LOSS_SERIES_MAX; i++)
        series->losses[series->count++] = i < kept->count ? kept->losses[i] : NAN;
}

struct step_losses loss_series_view(struct loss_series *series)
{
    return (struct step_losses){series->stride, series->count, series->losses};
}
