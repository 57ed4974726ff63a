#include "engine/calibration.h"

#include "engine/dense.h"

#include <math.h>

#define GOLDEN 0.6180339887498949
#define STEPS  32 /* of the search; each leaves GOLDEN of the range */

/* ---- Temperature ---- */

static double mean_loss(const float *logits, const uint8_t *labels, size_t count, double temperature)
{
    double sum = 0;
    for (size_t row = 0; row < count; row++) {
        const float *values = logits + row * CLASSES;
        double largest = (double)values[arg_max(values)], exponentials = 0;
        for (int i = 0; i < CLASSES; i++)
            exponentials += exp(((double)values[i] - largest) / temperature);
        sum += log(exponentials) + (largest - (double)values[labels[row]]) / temperature;
    }
    return sum / (double)count;
}

/* The loss has one minimum over 1/T, so over log T too: golden section finds it. */
double temperature_fit(const float *logits, const uint8_t *labels, size_t count)
{
    if (count == 0)
        return 1;
    double low = log(TEMPERATURE_MIN), high = log(TEMPERATURE_MAX);
    double a = high - GOLDEN * (high - low), b = low + GOLDEN * (high - low);
    double loss_a = mean_loss(logits, labels, count, exp(a)),
           loss_b = mean_loss(logits, labels, count, exp(b));
    for (int step = 0; step < STEPS; step++) {
        if (loss_a <= loss_b) {
            high = b;
            b = a;
            loss_b = loss_a;
            a = high - GOLDEN * (high - low);
            loss_a = mean_loss(logits, labels, count, exp(a));
        } else {
            low = a;
            a = b;
            loss_a = loss_b;
            b = low + GOLDEN * (high - low);
            loss_b = mean_loss(logits, labels, count, exp(b));
        }
    }
    double best = exp((low + high) / 2), loss = mean_loss(logits, labels, count, best);
    return isfinite(loss) && loss < mean_loss(logits, labels, count, 1) ? (double)(float)best : 1;
}

/* ---- Calibration ---- */

static double confidence_of(const float *values, double temperature)
{
    double largest = (double)values[arg_max(values)], sum = 0;
    for (int i = 0; i < CLASSES; i++)
        sum += exp(((double)values[i] - largest) / temperature);
    return 1 / sum;
}

/* Fills bins whose confidence and accuracy are means, and returns the expected calibration error. */
static double fill_bins(const float *logits, const uint8_t *labels, size_t count, double temperature,
                        struct calibration_bin bins[CALIBRATION_BINS])
{
    double error = 0;
    for (int i = 0; i < CALIBRATION_BINS; i++)
        bins[i] = (struct calibration_bin){0};
    for (size_t row = 0; row < count; row++) {
        double confidence = confidence_of(logits + row * CLASSES, temperature);
        int at = confidence < 1 ? (int)(confidence * CALIBRATION_BINS) : CALIBRATION_BINS - 1;
        struct calibration_bin *bin = &bins[at > 0 ? at : 0]; /* NaN too */
        bin->count++;
        bin->confidence += confidence;
        bin->accuracy += arg_max(logits + row * CLASSES) == labels[row];
    }
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        error += fabs(bins[i].confidence - bins[i].accuracy);
        if (bins[i].count > 0) {
            bins[i].confidence /= (double)bins[i].count;
            bins[i].accuracy /= (double)bins[i].count;
        }
    }
    return count ? error / (double)count : 0;
}

struct calibration calibration_measure(const float *logits, const uint8_t *labels, size_t count,
                                       double temperature)
{
    struct calibration calibration = {.temperature = temperature};
    calibration.ece_uncalibrated = fill_bins(logits, labels, count, 1, calibration.bins);
    calibration.ece = fill_bins(logits, labels, count, temperature, calibration.bins);
    return calibration;
}
