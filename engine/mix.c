#include "engine/dataset.h"
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

static size_t at_most(size_t count, int64_t limit)
{
    return limit > 0 && (uint64_t)limit < count ? (size_t)limit : count;
}

struct train_split mix_split_of(const struct train_config *config, const struct mix_part *parts, size_t count)
{
    struct train_split all = {0, 0};
    for (size_t i = 0; i < count; i++) {
        struct train_split split = train_split_of(config, parts[i].count);
        all.train += split.train * (size_t)parts[i].repeat;
        all.validation += split.validation;
    }
    all.train = at_most(all.train, config->train_limit);
    return all;
}

/* A part while it is mixed in. */
struct strand {
    const struct dataset *data;
    struct train_split split;
    size_t total, taken; /* with repetitions */
};

/* The part that lags most behind its share, the first of them. */
static struct strand *next_strand(struct strand *strands, size_t count)
{
    struct strand *best = NULL;
    for (struct strand *strand = strands; strand < strands + count; strand++) {
        if (strand->taken < strand->total &&
            (!best || (double)(2 * strand->taken + 1) * (double)best->total <
                          (double)(2 * best->taken + 1) * (double)strand->total))
            best = strand;
    }
    return best;
}

static void copy_image(const struct dataset *data, size_t index, uint8_t *image, uint8_t *label)
{
    memcpy(image, dataset_image(data, index), IMAGE_PIXELS);
    *label = (uint8_t)dataset_label(data, index);
}

static void fill(struct strand *strands, size_t count, const struct train_split *split,
                 uint8_t *images, // [train + validation][28][28]
                 uint8_t *labels) // [train + validation]
{
    size_t place = 0;
    for (; place < split->train; place++) {
        struct strand *strand = next_strand(strands, count);
        copy_image(strand->data, strand->taken++ % strand->split.train, images + place * IMAGE_PIXELS,
                   labels + place);
    }
    for (const struct strand *strand = strands; strand < strands + count; strand++)
        for (size_t i = 0; i < strand->split.validation; i++, place++)
            copy_image(strand->data, strand->split.train + i, images + place * IMAGE_PIXELS, labels + place);
}

enum status dataset_mix(const struct mix_part *parts, size_t count, const struct train_config *config,
                        struct dataset **ret_dataset, struct error *err)
{
    struct strand strands[MIX_PARTS_MAX];
    struct train_split split = mix_split_of(config, parts, count);
    size_t images = split.train + split.validation;
    for (size_t i = 0; i < count; i++) {
        struct train_split own = train_split_of(config, parts[i].count);
        strands[i] = (struct strand){parts[i].data, own, own.train * (size_t)parts[i].repeat, 0};
    }
    if (images > MIX_IMAGES_MAX)
        return error_set(err, ERR_ARGUMENT, "a mix of %zu images is larger than %d", images, MIX_IMAGES_MAX);
    uint8_t *bytes = malloc(images * (IMAGE_PIXELS + 1) + 1);
    if (!bytes)
        return error_set(err, ERR_MEMORY, "no memory for a mix of %zu images", images);
    fill(strands, count, &split, bytes, bytes + images * IMAGE_PIXELS);
    struct dataset *dataset;
    enum status status = dataset_create(bytes, bytes + images * IMAGE_PIXELS, images, &dataset, err);
    free(bytes);
    if (status)
        return status;
    dataset_divide(dataset, &split);
    *ret_dataset = dataset;
    return OK;
}
