/* A team of threads that shares out numbered tasks.
 *
 * A computation is cut into tasks whose number and content never depend on the size of the team; who runs which
 * task is left to chance. One thread at a time may call thread_team_run. */
#ifndef ENGINE_THREADS_H
#define ENGINE_THREADS_H

#include "engine/engine.h"

/* `member` is 0..thread_team_size-1, for workspaces of a member's own. */
typedef void team_task(void *context, size_t task, int member);

/* Calls run(context, i, …) once for each i in 0..tasks-1, over all members; returns when all are done. */
void thread_team_run(struct thread_team *team, team_task *run, void *context, size_t tasks);

#endif
