/* Worker threads: a bounded queue, in order, and nothing left behind at the end. */
#include "server/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#define PIECES 6

struct piece {
    struct work work; /* first: `run` gets the piece by it */
    int number;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool open_to_all;
static int started, done[PIECES], done_count;

static void run_piece(struct work *work)
{
    pthread_mutex_lock(&mutex);
    started++;
    pthread_cond_broadcast(&changed);
    while (!open_to_all)
        pthread_cond_wait(&changed, &mutex);
    done[done_count++] = ((struct piece *)work)->number;
    pthread_mutex_unlock(&mutex);
}

static int reset(void **state)
{
    (void)state;
    open_to_all = false;
    started = done_count = 0;
    return 0;
}

static void wait_until_started(int count)
{
    pthread_mutex_lock(&mutex);
    while (started < count)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void open_gate(void)
{
    pthread_mutex_lock(&mutex);
    open_to_all = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static struct piece piece(int number)
{
    return (struct piece){.work.run = run_piece, .number = number};
}

static void queue_is_bounded_and_kept_in_order(void **state)
{
    (void)state;
    struct workers *workers;
    struct piece pieces[PIECES];
    assert_int_equal(workers_create(1, 3, &workers, NULL), OK);
    for (int i = 0; i < PIECES; i++)
        pieces[i] = piece(i);
    assert_true(workers_push(workers, &pieces[0].work));
    wait_until_started(1);
    for (int i = 1; i <= 3; i++)
        assert_true(workers_push(workers, &pieces[i].work));
    assert_false(workers_push(workers, &pieces[4].work));
    open_gate();
    wait_until_started(4);
    assert_true(workers_push(workers, &pieces[5].work));
    workers_free(workers);
    const int order[] = {0, 1, 2, 3, 5};
    assert_int_equal(done_count, 5);
    assert_memory_equal(done, order, sizeof order);
}

static void threads_work_side_by_side(void **state)
{
    (void)state;
    struct workers *workers;
    struct piece pieces[3] = {piece(0), piece(1), piece(2)};
    assert_int_equal(workers_create(3, 8, &workers, NULL), OK);
    for (int i = 0; i < 3; i++)
        assert_true(workers_push(workers, &pieces[i].work));
    wait_until_started(3); /* none of them can end before all have begun */
    open_gate();
    workers_free(workers);
    assert_int_equal(done_count, 3);
}

static void what_waits_is_done_before_the_end(void **state)
{
    (void)state;
    struct workers *workers;
    struct piece pieces[4] = {piece(0), piece(1), piece(2), piece(3)};
    assert_int_equal(workers_create(1, 8, &workers, NULL), OK);
    open_gate();
    for (int i = 0; i < 4; i++)
        assert_true(workers_push(workers, &pieces[i].work));
    workers_free(workers);
    assert_int_equal(done_count, 4);
    workers_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(queue_is_bounded_and_kept_in_order, reset),
        cmocka_unit_test_setup(threads_work_side_by_side, reset),
        cmocka_unit_test_setup(what_waits_is_done_before_the_end, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
