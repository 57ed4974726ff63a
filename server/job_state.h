/* The states of a training job and what may follow what. Plain values; any thread. */
#ifndef DIGITD_JOB_STATE_H
#define DIGITD_JOB_STATE_H

#include <stdbool.h>

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_PAUSED, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED, JOB_STATES };

const char *job_state_name(enum job_state state);
bool job_state_from_name(const char *name, enum job_state *ret_state);

/* Whether a job in state `from` may go to state `to`: the one table of transitions. */
bool job_state_may_become(enum job_state from, enum job_state to);

/* Nothing follows this state. */
bool job_state_is_final(enum job_state state);

#endif
