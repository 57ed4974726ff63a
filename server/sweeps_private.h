/* What the files of sweeps.h share. */
#ifndef DIGITD_SWEEPS_PRIVATE_H
#define DIGITD_SWEEPS_PRIVATE_H

#include "server/sweeps.h"

#include <jansson.h>
#include <pthread.h>

struct sweeps {
    struct store *store;
    struct jobs *jobs;
    struct registry *registry;
    struct datasets *datasets;
    int threads;
    struct sweep_rates rates;

    /* Guards what is decided from the store and then done: the next trial, the end of a rung, files, promotion. The locks of
     * store, jobs and registry are taken under it. */
    pthread_mutex_t mutex;
    /* The sweep whose best trial is held against what is in production, without the mutex; "" for none. */
    char comparing[SWEEP_ID_LENGTH + 1];
};

MUST_CHECK enum status sweeps_read_request(const struct sweep_record *record,
                                           struct sweep_request *ret_request, struct error *err);

/* The request of a trial's job, and the epochs that it asks for: on early rungs of halving the trial has fewer. */
MUST_CHECK enum status sweeps_read_epochs(struct sweeps *sweeps, const char *sweep, int trial,
                                          json_t **ret_config, int *ret_epochs, struct error *err);

/* Takes the record over, also on failure. */
MUST_CHECK enum status sweeps_make_view(struct sweeps *sweeps, struct sweep_record record,
                                        struct sweep_view *ret_view, struct error *err);

/* With the mutex held: makes a trial of `view` a version, no alias of which moves. As sweeps_promote. */
MUST_CHECK enum status sweeps_promote_locked(struct sweeps *sweeps, const struct sweep_view *view,
                                             struct sweep_promotion *promotion,
                                             struct version_record *ret_version, struct error *err);
MUST_CHECK enum status sweeps_move_alias(struct sweeps *sweeps, const struct version_record *version,
                                         const char *alias, struct error *err);

/* Sees to it that what is in production can be held against `version`, if that can be done (rival.h). Without the mutex: it
 * takes some seconds. */
void sweeps_measure_rival(struct sweeps *sweeps, const struct version_record *version);

/* With the mutex held: removes the weights of all but the `keep` best trials. */
void sweeps_keep_best(struct sweeps *sweeps, const struct sweep_view *view, int keep);

void sweeps_remove_files(struct sweeps *sweeps, const char *id);

/* At start: removes files of which no sweep knows. */
MUST_CHECK enum status sweeps_sweep_files(struct sweeps *sweeps, struct error *err);

#endif
