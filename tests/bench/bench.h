/* What the measured programs share: each says in a line of JSON what it is, and then measures once for each line that it
 * reads. Between measurements it waits, so that the others can take their turns. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include "engine/engine.h"

double bench_now(void); /* seconds */

/* Prints {"name": …, "detail": …}: this program, its libraries and the kernels that run. */
void bench_introduce(void);

/* True once for each line of standard input. */
bool bench_next(void);

/* The reference model with as many filters in each convolution as are asked for (0: as it is). */
MUST_CHECK enum status bench_plan(int filters, struct model_plan *ret_plan, struct error *err);

#endif
