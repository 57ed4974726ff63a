/* What the engine makes of a test set, for other software to be compared with:
 *     probabilities MODEL.safetensors DATASET_FOLDER
 * writes float [count][10] to stdout. */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH ((size_t)100)

static size_t at_most(size_t count, size_t limit)
{
    return count < limit ? count : limit;
}

static void load_image(const uint8_t *image, float *ret_pixels)
{
    for (size_t i = 0; i < IMAGE_PIXELS; i++)
        ret_pixels[i] = (float)image[i] / 255.0f;
}

static bool write_probabilities(struct predictor *predictor, const struct dataset *data)
{
    float images[BATCH * IMAGE_PIXELS], probabilities[BATCH * CLASSES];
    size_t count = dataset_count(data), size;
    for (size_t first = 0; first < count; first += size) {
        size = at_most(count - first, BATCH);
        for (size_t i = 0; i < size; i++)
            load_image(dataset_image(data, first + i), images + i * IMAGE_PIXELS);
        predictor_run(predictor, images, size, probabilities);
        if (fwrite(probabilities, CLASSES * sizeof(float), size, stdout) != size)
            return false;
    }
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    struct error err = {.message = "usage: probabilities MODEL.safetensors DATASET_FOLDER"};
    struct model *model = NULL;
    struct dataset *data = NULL;
    struct predictor *predictor = NULL;
    int exit_code = EXIT_FAILURE;
    if (argc != 3 || engine_init(&err) != OK || model_load(argv[1], &model, &err) != OK ||
        dataset_load(argv[2], SPLIT_TEST, &data, &err) != OK ||
        predictor_create(model, BATCH, &predictor, &err) != OK)
        fprintf(stderr, "%s\n", err.message);
    else if (!write_probabilities(predictor, data))
        perror("cannot write to stdout");
    else
        exit_code = EXIT_SUCCESS;
    predictor_free(predictor);
    dataset_unref(data);
    model_unref(model);
    return exit_code;
}
