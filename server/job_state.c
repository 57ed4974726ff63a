#include "server/job_state.h"

#include <string.h>

static const struct {
    const char *name;
    bool may_become[JOB_STATES];
} states[JOB_STATES] = {
    [JOB_QUEUED] = {"queued", {[JOB_RUNNING] = true, [JOB_PAUSED] = true, [JOB_CANCELLED] = true}},
    [JOB_RUNNING] = {"running",
                     {[JOB_QUEUED] = true, /* the server stopped or died under it */
                      [JOB_PAUSED] = true,
                      [JOB_SUCCEEDED] = true,
                      [JOB_FAILED] = true,
                      [JOB_CANCELLED] = true}},
    /* A resumed job waits for its turn like any other: one that was paused may find the runner busy. */
    [JOB_PAUSED] = {"paused", {[JOB_QUEUED] = true, [JOB_CANCELLED] = true}},
    [JOB_SUCCEEDED] = {"succeeded", {false}},
    [JOB_FAILED] = {"failed", {false}},
    [JOB_CANCELLED] = {"cancelled", {false}},
};

const char *job_state_name(enum job_state state)
{
    return states[state].name;
}

bool job_state_from_name(const char *name, enum job_state *ret_state)
{
    for (int state = 0; state < JOB_STATES; state++) {
        if (strcmp(states[state].name, name) == 0) {
            *ret_state = (enum job_state)state;
            return true;
        }
    }
    return false;
}

bool job_state_may_become(enum job_state from, enum job_state to)
{
    return states[from].may_become[to];
}

bool job_state_is_final(enum job_state state)
{
    for (int to = 0; to < JOB_STATES; to++) {
        if (states[state].may_become[to])
            return false;
    }
    return true;
}
