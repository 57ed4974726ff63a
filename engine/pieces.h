/* Which of the ink on a sheet of paper is the digit: not the rulings, not specks, not what reaches in from outside. */
#ifndef ENGINE_PIECES_H
#define ENGINE_PIECES_H

#include "engine/engine.h"

struct inked {
    int width, height;
    uint8_t *ink;          /* [height][width]: 1 where there is ink, changed by the functions below */
    const float *contrast; /* how strong it is; rulings_count does not look */
    float strong;          /* what a pen has */
};

/* Takes straight lines from border to border away, except where strokes cross them. Returns how many there were. */
int rulings_erase(struct inked *inked);

/* How many such lines there are. */
int rulings_count(const struct inked *inked);

/* Leaves the digit's pieces. `ret_found`: there is one. ERR_MEMORY. */
MUST_CHECK enum status pieces_keep_digit(struct inked *inked, bool *ret_found, struct error *err);

#endif
