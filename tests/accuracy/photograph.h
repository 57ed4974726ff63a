/* Photographs that might have been taken of a digit on paper: uneven light, shadows, lines, blur, noise, specks. */
#ifndef TESTS_ACCURACY_PHOTOGRAPH_H
#define TESTS_ACCURACY_PHOTOGRAPH_H

#include "tests/accuracy/dice.h"
#include "tests/accuracy/glyph.h"

enum paper { PAPER_PLAIN, PAPER_RULED, PAPER_SQUARED, PAPERS };

extern const char *const paper_names[PAPERS];

/* Makes a picture of 200 to 1,000 pixels a side; `ret_rgba` is made by malloc. */
void photograph_make(const struct glyph *glyph, enum paper paper, struct dice *dice, int *ret_width,
                     int *ret_height, uint8_t **ret_rgba);

#endif
