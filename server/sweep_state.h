/* The states of a sweep and which may follow which: one table. Any thread. */
#ifndef DIGITD_SWEEP_STATE_H
#define DIGITD_SWEEP_STATE_H

#include <stdbool.h>

enum sweep_state {
    SWEEP_RUNNING,
    SWEEP_PAUSED,
    SWEEP_SUCCEEDED,
    SWEEP_FAILED,
    SWEEP_CANCELLED,
    SWEEP_STATES
};

const char *sweep_state_name(enum sweep_state state);
bool sweep_state_from_name(const char *name, enum sweep_state *ret_state);
bool sweep_state_may_become(enum sweep_state from, enum sweep_state to);
bool sweep_state_is_final(enum sweep_state state);

#endif
