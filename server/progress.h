/* Progress of a long computation, for the person who waits: a bar that moves on a terminal, a line now and then
 * where the stream is a file or a pipe. A plain value, one thread. */
#ifndef DIGITD_PROGRESS_H
#define DIGITD_PROGRESS_H

#include "engine/engine.h"

#include <stdio.h>

struct progress {
    FILE *stream;
    bool terminal;
    bool bar_shown; /* the cursor stands behind a bar */
    double shown;   /* when it last was */
};

struct progress_state {
    const char *label;   /* "epoch 3/10" */
    double fraction;     /* 0..1, of the whole */
    double rate;         /* images a second; NaN: too early to say */
    double seconds_left; /* NaN: too early to say */
};

/* `now` is clock_seconds(), here and below. */
struct progress progress_begin(FILE *stream, double now);

/* Shows the state, unless it was shown a moment ago. */
void progress_show(struct progress *progress, const struct progress_state *state, double now);

/* Takes the bar away, if there is one: before other output, and at the end. */
void progress_clear(struct progress *progress);

/* A line that stays, in place of the bar. */
void progress_print(struct progress *progress, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
