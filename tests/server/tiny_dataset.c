#include "tests/server/tiny_dataset.h"

#include "engine/engine.h"
#include "server/files.h"
#include "tests/server/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const file_names[2][2] = {
    {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
    {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
};

static const char *in_folder(const char *folder, const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static uint8_t *put_number(uint8_t *at, unsigned number)
{
    const uint8_t bytes[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                              (uint8_t)number};
    memcpy(at, bytes, 4);
    return at + 4;
}

static void write_split(const char *folder, enum split split, unsigned count)
{
    uint8_t *images = calloc(1, 16 + (size_t)count * IMAGE_PIXELS), *labels = calloc(1, 8 + (size_t)count);
    uint8_t *image = put_number(put_number(put_number(put_number(images, 0x803), count), 28), 28);
    uint8_t *label = put_number(put_number(labels, 0x801), count);
    for (unsigned i = 0; i < count; i++, image += IMAGE_PIXELS) {
        unsigned digit = (i * 7 + (unsigned)split) % CLASSES;
        memset(image + (2 * digit + 4) * IMAGE_SIDE, 180 + (int)(i % 50), 2 * IMAGE_SIDE);
        label[i] = (uint8_t)digit;
    }
    scratch_write(in_folder(folder, file_names[split][0]), images, 16 + (size_t)count * IMAGE_PIXELS);
    scratch_write(in_folder(folder, file_names[split][1]), labels, 8 + (size_t)count);
    free(images);
    free(labels);
}

void tiny_dataset_write(const char *folder, unsigned train_count, unsigned test_count)
{
    if (files_make_folder(scratch_path(folder), NULL))
        abort();
    write_split(folder, SPLIT_TRAIN, train_count);
    write_split(folder, SPLIT_TEST, test_count);
}

void tiny_dataset_remove(const char *folder)
{
    for (int split = 0; split < 2; split++) {
        for (int kind = 0; kind < 2; kind++)
            unlink(scratch_path(in_folder(folder, file_names[split][kind])));
    }
    rmdir(scratch_path(folder));
}
