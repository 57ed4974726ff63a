#include "tests/accuracy/judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/png.h"
#include "tests/accuracy/confidence.h"

/* A sheet of pairs: the picture on the left, the 28x28 that the network saw on the right. */
#define CELL      112
#define COLUMNS   8
#define SHEET_MAX 1000 /* pixels of the longer side, as far as whole cells go */
#define ROWS      (SHEET_MAX / (CELL + 4))
#define PAIRS     (COLUMNS / 2 * ROWS)

struct judge {
    struct model *model;
    struct predictor *predictor;
    const char *sheet_path;
    size_t pairs, wrong;
    struct confidences of_right, of_wrong;
    uint8_t sheet[ROWS * (CELL + 4)][COLUMNS * (CELL + 4)];
};

enum status judge_create(const char *model_path, const char *sheet_path, struct judge **ret_judge,
                         struct error *err)
{
    struct judge *judge = calloc(1, sizeof *judge);
    if (!judge)
        return error_set(err, ERR_MEMORY, "no memory for a judge");
    judge->sheet_path = sheet_path;
    memset(judge->sheet, 128, sizeof judge->sheet);
    enum status status = model_load(model_path, &judge->model, err);
    if (status == OK)
        status = predictor_create(judge->model, 1, &judge->predictor, err);
    if (status != OK) {
        model_unref(judge->model);
        free(judge);
        return status;
    }
    *ret_judge = judge;
    return OK;
}

static void write_sheet(const struct judge *judge)
{
    uint8_t *png;
    size_t size;
    struct error err;
    FILE *file = fopen(judge->sheet_path, "wb");
    if (file &&
        png_encode_grey(judge->sheet[0], COLUMNS * (CELL + 4), ROWS * (CELL + 4), &png, &size, &err) == OK) {
        if (fwrite(png, 1, size, file) != size)
            perror(judge->sheet_path);
        free(png);
    }
    if (!file || fclose(file) != 0)
        perror(judge->sheet_path);
}

void judge_free(struct judge *judge)
{
    if (!judge)
        return;
    if (judge->sheet_path)
        write_sheet(judge);
    predictor_free(judge->predictor);
    model_unref(judge->model);
    free(judge);
}

void judge_image(struct judge *judge, const uint8_t image[IMAGE_PIXELS], float ret_probabilities[CLASSES])
{
    float pixels[IMAGE_PIXELS];
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        pixels[i] = (float)image[i] / 255.0f;
    predictor_run(judge->predictor, pixels, 1, ret_probabilities);
}

/* Draws a picture of grey levels into a cell, as large as fits. */
static void show(struct judge *judge, size_t cell, const uint8_t *levels, int width, int height, int step)
{
    size_t top = cell / COLUMNS * (CELL + 4), left = cell % COLUMNS * (CELL + 4);
    int side = width > height ? width : height;
    for (int y = 0; y < CELL * height / side; y++)
        for (int x = 0; x < CELL * width / side; x++)
            judge->sheet[top + (size_t)y][left + (size_t)x] =
                levels[step * (y * side / CELL * width + x * side / CELL)];
}

/* Of the wrong ones, those that the sheet has room for, spread over all by chance of their number. */
static void keep(struct judge *judge, const uint8_t *rgba, int width, int height,
                 const uint8_t image[IMAGE_PIXELS])
{
    if (!judge->sheet_path || judge->pairs == PAIRS)
        return;
    size_t cell = 2 * judge->pairs++;
    show(judge, cell, rgba, width, height, 4);
    show(judge, cell + 1, image, IMAGE_SIDE, IMAGE_SIDE, 1);
}

void judge_picture(struct judge *judge, const uint8_t *rgba, int width, int height, int label,
                   struct tally *tally)
{
    uint8_t image[IMAGE_PIXELS] = {0};
    float probabilities[CLASSES] = {0};
    struct error err;
    tally->count++;
    bool read = drawing_from_pixels(rgba, width, height, DRAWING_AUTO, image, &err) == OK;
    if (read)
        judge_image(judge, image, probabilities);
    else
        tally->unread++;
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (probabilities[i] > probabilities[best])
            best = i;
    bool right = read && best == label;
    if (read)
        confidences_add(right ? &judge->of_right : &judge->of_wrong, probabilities[best]);
    if (right)
        tally->correct++;
    else
        keep(judge, rgba, width, height, image);
}

void judge_print_confidences(const struct judge *judge)
{
    confidences_print_heading();
    confidences_print("pictures read right", &judge->of_right);
    confidences_print("pictures read wrong", &judge->of_wrong);
}

double tally_percent(const struct tally *tally)
{
    return tally->count ? 100.0 * (double)tally->correct / (double)tally->count : 0;
}

float judge_confidence(struct judge *judge, const uint8_t image[IMAGE_PIXELS])
{
    float probabilities[CLASSES], most = 0;
    judge_image(judge, image, probabilities);
    for (int i = 0; i < CLASSES; i++)
        most = fmaxf(most, probabilities[i]);
    return most;
}
