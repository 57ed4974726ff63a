/* What is no digit: how often it is called uncertain. */
#ifndef TESTS_ACCURACY_UNLIKE_H
#define TESTS_ACCURACY_UNLIKE_H

#include "tests/accuracy/judge.h"

/* Prints a row for test digits, letters of Hershey's fonts in `font_dir`, scribbles, noise and clothes. */
MUST_CHECK enum status measure_unlike(struct judge *judge, const struct dataset *digits,
                                      const struct dataset *clothes, const char *font_dir, struct error *err);

#endif
