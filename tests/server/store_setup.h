/* A store in a scratch folder, with helpers for its jobs. For each program of tests anew. */
#ifndef DIGITD_TESTS_STORE_SETUP_H
#define DIGITD_TESTS_STORE_SETUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/store.h"
#include "server/store_jobs.h"
#include "server/store_models.h"
#include "tests/server/scratch.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct store *store;

static inline void open_store(void)
{
    struct error err;
    if (store_open(scratch_path("store"), &store, &err))
        fail_msg("%s", err.message);
}

static inline void reopen_store(void)
{
    store_free(store);
    open_store();
}

static inline int setup(void **state)
{
    (void)state;
    scratch_make();
    open_store();
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    store_free(store);
    scratch_remove();
    return 0;
}

static inline void insert_job(const char *config, char id[JOB_ID_LENGTH + 1])
{
    struct job_insert insert = {.config = config, .queue_limit = 100};
    struct error err;
    assert_int_equal(store_job_insert(store, &insert, id, &err), JOB_INSERTED);
}

static inline enum job_change change_job(const char *id, enum job_state to)
{
    enum job_state from;
    struct error err;
    return store_job_change(store, id, to, NULL, &from, &err);
}

static inline enum job_state state_of(const char *id)
{
    struct job_record job;
    struct error err;
    assert_int_equal(store_job_read(store, id, &job, &err), OK);
    enum job_state state = job.state;
    job_record_clear(&job);
    return state;
}

#endif
