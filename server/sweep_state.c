#include "server/sweep_state.h"

#include <string.h>

static const struct {
    const char *name;
    bool may_become[SWEEP_STATES];
} states[SWEEP_STATES] = {
    [SWEEP_RUNNING] =
        {"running",
         {[SWEEP_PAUSED] = true, [SWEEP_SUCCEEDED] = true, [SWEEP_FAILED] = true, [SWEEP_CANCELLED] = true}},
    [SWEEP_PAUSED] = {"paused", {[SWEEP_RUNNING] = true, [SWEEP_CANCELLED] = true}},
    [SWEEP_SUCCEEDED] = {"succeeded", {false}},
    [SWEEP_FAILED] = {"failed", {false}},
    [SWEEP_CANCELLED] = {"cancelled", {false}},
};

const char *sweep_state_name(enum sweep_state state)
{
    return states[state].name;
}

bool sweep_state_from_name(const char *name, enum sweep_state *ret_state)
{
    for (int state = 0; state < SWEEP_STATES; state++) {
        if (strcmp(states[state].name, name) == 0) {
            *ret_state = (enum sweep_state)state;
            return true;
        }
    }
    return false;
}

bool sweep_state_may_become(enum sweep_state from, enum sweep_state to)
{
    return states[from].may_become[to];
}

bool sweep_state_is_final(enum sweep_state state)
{
    for (int to = 0; to < SWEEP_STATES; to++) {
        if (states[state].may_become[to])
            return false;
    }
    return true;
}
