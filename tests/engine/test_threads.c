/* The thread team: each task once, whatever the size; many runs in a row. */
#include "engine/threads.h"
#include "tests/engine/check.h"

#include <stdatomic.h>
#include <string.h>

enum { TASKS = 100 };

struct tally {
    atomic_int runs[TASKS];
    int members;
};

static void count_task(void *context, size_t task, int member)
{
    struct tally *tally = context;
    atomic_fetch_add(&tally->runs[task], 1);
    if (member < 0 || member >= tally->members)
        atomic_fetch_add(&tally->runs[task], 1000);
}

static void each_task_runs_once_for_any_size_of_team(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        struct thread_team *team = team_of(threads);
        assert_int_equal(thread_team_size(team), threads);
        for (size_t tasks = 0; tasks <= TASKS; tasks += 7) {
            struct tally tally = {.members = threads};
            thread_team_run(team, count_task, &tally, tasks);
            for (size_t i = 0; i < TASKS; i++)
                assert_int_equal(atomic_load(&tally.runs[i]), i < tasks);
        }
        thread_team_free(team);
    }
}

static void thousands_of_short_runs_lose_no_task(void **state)
{
    (void)state;
    struct thread_team *team = team_of(3);
    struct tally tally = {.members = 3};
    for (int i = 0; i < 20000; i++)
        thread_team_run(team, count_task, &tally, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(atomic_load(&tally.runs[i]), 20000);
    thread_team_free(team);
}

static void a_team_of_no_thread_is_refused(void **state)
{
    (void)state;
    struct thread_team *team = NULL;
    struct error err;
    assert_int_equal(thread_team_create(0, false, &team, &err), ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "1 to 1024"));
    assert_null(team);
    thread_team_free(NULL);
}

static void there_is_a_processor_to_run_on(void **state)
{
    (void)state;
    assert_true(cpu_count() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_runs_once_for_any_size_of_team),
        cmocka_unit_test(thousands_of_short_runs_lose_no_task),
        cmocka_unit_test(a_team_of_no_thread_is_refused),
        cmocka_unit_test(there_is_a_processor_to_run_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
