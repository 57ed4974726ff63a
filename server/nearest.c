#include "server/nearest.h"

#include <stdint.h>
#include <string.h>

#define LONGEST_NAME 40

struct nearest nearest_to(const char *wanted)
{
    return (struct nearest){.wanted = wanted, .distance = SIZE_MAX};
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance (Damerau 1964, without edits inside a swapped pair). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][LONGEST_NAME + 1]; /* the present one and the two above it */
    size_t a_length = strlen(a), b_length = strlen(b);
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    size_t length = strlen(name), wanted = strlen(nearest->wanted), distance;
    if (length > LONGEST_NAME || wanted == 0)
        return;
    if (strncmp(name, nearest->wanted, wanted) == 0)
        distance = 0;
    else if ((distance = edit_distance(nearest->wanted, name)) > (length + 2) / 3)
        return;
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->name = name;
    }
}
