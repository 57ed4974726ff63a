/* What a model makes of a set of images: which digits it takes for which, figures of each, and its worst mistakes. Plain
 * computation; any thread. */
#ifndef DIGITD_EVALUATION_H
#define DIGITD_EVALUATION_H

#include "engine/engine.h"
#include "server/store_evaluations.h"

struct json_t;

#define MISTAKES_MAX      500 /* that are kept of an evaluation */
#define MISTAKES_CELL_MIN 5   /* of each pair of digits, the worst so many are among them */

/* Who computes, and who says whether it is still wanted: asked after each piece of some milliseconds, with the number of
 * images that are done. */
struct evaluation_pace {
    struct thread_team *team;
    bool (*go_on)(void *context, size_t images);
    void *context;
};

/* Evaluates `model` on all of `data`; the caller says of which dataset and split that is, and clears the record. When it is
 * no longer wanted, `ret_complete` is false and there is no record. Errors as evaluator_create. */
MUST_CHECK enum status evaluation_measure(struct model *model, struct dataset *data,
                                          const struct evaluation_pace *pace,
                                          struct evaluation_record *ret_record, bool *ret_complete,
                                          struct error *err);

/* The mistakes among `images`, worst first: the more confident, and of equals the first. At most MISTAKES_MAX: of each pair of
 * digits that are confused the worst MISTAKES_CELL_MIN, then the worst of the others. Indices into `images`, for the
 * caller to free; NULL without memory. */
size_t *evaluation_mistakes(const struct evaluated_image *images, size_t count, size_t *ret_count);

/* Which of its mistakes to show. */
struct mistake_filter {
    int label, predicted; /* -1: any */
    size_t limit;
};

/* The whole answer for a client; a new reference, NULL without memory. */
struct json_t *evaluation_to_json(const char *model, int version, const struct evaluation_record *record,
                                  const struct mistake_filter *filter);

#endif
