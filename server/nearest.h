/* "Did you mean …?": the known name that is nearest to one mistyped. A plain value, one thread. */
#ifndef DIGITD_NEAREST_H
#define DIGITD_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *wanted;
    const char *name; /* the best so far; NULL when nothing is near */
    size_t distance;
};

struct nearest nearest_to(const char *wanted);

/* Offers a known name. It is near when it begins with what was wanted, or when a third of its letters at most were
 * added, left out, changed or swapped with their neighbour. */
void nearest_offer(struct nearest *nearest, const char *name);

#endif
