/* Pictures read by a model, and what came of it. */
#ifndef TESTS_ACCURACY_JUDGE_H
#define TESTS_ACCURACY_JUDGE_H

#include "engine/engine.h"

/* A kind of pictures: one row of a table. */
struct tally {
    size_t count, correct, unread;
};

struct judge;

/* `sheet_path`: where to write a sheet of the pictures that were read wrong; NULL: none. */
MUST_CHECK enum status judge_create(const char *model_path, const char *sheet_path, struct judge **ret_judge,
                                    struct error *err);

/* Writes the sheet. */
void judge_free(struct judge *judge);

/* Brings a picture to 28x28 in mode auto, reads it and counts it. */
void judge_picture(struct judge *judge, const uint8_t *rgba, int width, int height, int label,
                   struct tally *tally);

/* How confident the answers to all pictures so far were, where right and where wrong. */
void judge_print_confidences(const struct judge *judge);

/* Percent of the pictures that were read as what they are. */
double tally_percent(const struct tally *tally);

/* The probability of the digit that the image is read as. */
float judge_confidence(struct judge *judge, const uint8_t image[IMAGE_PIXELS]);

/* The probabilities of one image. */
void judge_image(struct judge *judge, const uint8_t image[IMAGE_PIXELS], float ret_probabilities[CLASSES]);

#endif
