#include "engine/threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* A phase of a training step lasts from 20 us to some ms, and going to sleep and waking up costs up to 50 us: a
 * member first looks for work (or the end of it) this many times before it sleeps on a condition variable. */
#define SPINS 4000

struct member {
    struct thread_team *team;
    pthread_t thread;
    int index;
};

struct thread_team {
    int size, started; /* members; worker threads running */
    bool idle_priority;
    struct member *members;

    /* The work at hand: written by the caller before `generation` moves on, read by workers after they saw it. */
    team_task *run;
    void *context;
    size_t tasks;
    atomic_size_t next; /* the first task not yet claimed */

    atomic_uint generation; /* goes up when there is work, or an end */
    atomic_int busy;        /* workers that have not finished this generation */
    bool stop;              /* written before `generation` moves on */

    pthread_mutex_t mutex; /* guards sleeping: both conditions, against a change between look and sleep */
    pthread_cond_t work, done;
};

static inline void spin_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static void run_tasks(struct thread_team *team, int member)
{
    for (;;) {
        size_t task = atomic_fetch_add(&team->next, 1);
        if (task >= team->tasks)
            return;
        team->run(team->context, task, member);
    }
}

static void wait_for_generation(struct thread_team *team, unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&team->generation) != seen)
            return;
        spin_pause();
    }
    pthread_mutex_lock(&team->mutex);
    while (atomic_load(&team->generation) == seen)
        pthread_cond_wait(&team->work, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
}

static void *worker(void *argument)
{
    struct member *member = argument;
    struct thread_team *team = member->team;
    if (team->idle_priority)
        thread_lower_priority();
    for (unsigned seen = 0;; seen++) {
        wait_for_generation(team, seen);
        if (team->stop)
            return NULL;
        run_tasks(team, member->index);
        if (atomic_fetch_sub(&team->busy, 1) == 1) {
            pthread_mutex_lock(&team->mutex);
            pthread_cond_signal(&team->done);
            pthread_mutex_unlock(&team->mutex);
        }
    }
}

static void begin_generation(struct thread_team *team)
{
    atomic_store(&team->busy, team->started);
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->generation, 1);
    pthread_cond_broadcast(&team->work);
    pthread_mutex_unlock(&team->mutex);
}

static void wait_for_workers(struct thread_team *team)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&team->busy) == 0)
            return;
        spin_pause();
    }
    pthread_mutex_lock(&team->mutex);
    while (atomic_load(&team->busy) != 0)
        pthread_cond_wait(&team->done, &team->mutex);
    pthread_mutex_unlock(&team->mutex);
}

void thread_team_run(struct thread_team *team, team_task *run, void *context, size_t tasks)
{
    team->run = run;
    team->context = context;
    team->tasks = tasks;
    atomic_store(&team->next, 0);
    if (team->started == 0 || tasks <= 1) {
        run_tasks(team, 0);
        return;
    }
    begin_generation(team);
    run_tasks(team, 0);
    wait_for_workers(team);
}

enum status thread_team_create(int threads, bool idle_priority, struct thread_team **ret_team,
                               struct error *err)
{
    if (threads < 1 || threads > 1024)
        return error_set(err, ERR_ARGUMENT, "a thread team has 1 to 1024 threads, not %d", threads);
    struct thread_team *team = calloc(1, sizeof *team);
    struct member *members = calloc((size_t)threads, sizeof *members);
    if (!team || !members) {
        free(team);
        free(members);
        return error_set(err, ERR_MEMORY, "no memory for a team of %d threads", threads);
    }
    team->size = threads;
    team->idle_priority = idle_priority;
    team->members = members;
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->work, NULL);
    pthread_cond_init(&team->done, NULL);
    for (int i = 1; i < threads; i++) {
        members[i] = (struct member){.team = team, .index = i};
        if (pthread_create(&members[i].thread, NULL, worker, &members[i]) != 0) {
            thread_team_free(team);
            return error_set(err, ERR_MEMORY, "cannot start thread %d of %d", i + 1, threads);
        }
        team->started++;
    }
    *ret_team = team;
    return OK;
}

void thread_team_free(struct thread_team *team)
{
    if (!team)
        return;
    team->stop = true;
    begin_generation(team);
    for (int i = 1; i <= team->started; i++)
        pthread_join(team->members[i].thread, NULL);
    pthread_cond_destroy(&team->done);
    pthread_cond_destroy(&team->work);
    pthread_mutex_destroy(&team->mutex);
    free(team->members);
    free(team);
}

int thread_team_size(const struct thread_team *team)
{
    return team->size;
}

void thread_lower_priority(void)
{
    struct sched_param none = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
}

/* Processors that a cgroup-v2 quota pays for, or `limit` where there is none. */
static int cgroup_cpu_limit(int limit)
{
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return limit;
    long quota = 0, period = 0;
    if (fscanf(file, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0) {
        long whole = (quota + period - 1) / period;
        if (whole < limit)
            limit = (int)whole;
    }
    fclose(file);
    return limit;
}

int cpu_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return cgroup_cpu_limit(count < 1 ? 1 : count);
}
