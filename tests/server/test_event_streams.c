/* What a stream of events keeps in memory for its client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/event_streams.h"
#include "server/store_db.h"
#include "tests/server/job_services.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS   5000
#define PATIENCE 60000 /* ms */

static struct event_streams *streams;

static bool no_progress(void *context, size_t index, struct event_record *ret_event)
{
    (void)context, (void)index, (void)ret_event;
    return false;
}

static int setup(void **state)
{
    const struct event_streams_config config = {.max = 10, .progress = no_progress};
    struct error err;
    return services_setup(state) || event_streams_create(services()->store, &config, &streams, &err);
}

static int teardown(void **state)
{
    event_streams_free(streams);
    return services_teardown(state);
}

/* A client that follows all events from the first: its end of the socket. What the server's may hold is told, too. */
static int follow(int *ret_buffered)
{
    int ends[2];
    socklen_t size = sizeof *ret_buffered;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    int server = dup(ends[1]);
    event_streams_take(streams, ends[1], (struct stream_start){.after = 0, .head = strdup("\n\n")});
    assert_int_equal(getsockopt(server, SOL_SOCKET, SO_SNDBUF, ret_buffered, &size), 0);
    close(server);
    return ends[0];
}

/* Reads up to a message that has this text, which is told once; returns how many bytes that were. */
static size_t read_up_to(int client, const char *text)
{
    static char bytes[1 << 12];
    size_t total = 0, kept = 0;
    for (;;) {
        struct pollfd wait = {.fd = client, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, PATIENCE), 1);
        ssize_t count = read(client, bytes + kept, sizeof bytes - 1 - kept);
        assert_true(count > 0);
        total += (size_t)count;
        bytes[kept + (size_t)count] = '\0';
        if (strstr(bytes, text))
            return total;
        size_t length = kept + (size_t)count; /* the text may have come by half */
        kept = length < strlen(text) ? length : strlen(text);
        memmove(bytes, bytes + length - kept, kept);
    }
}

static void write_log(int count, const char *last)
{
    static const char filler[] =
        "{\"message\":\"one that is as long as the figures of an epoch are with all their "
        "digits, and a little longer, so that many of them do not fit into memory\"}";
    sqlite3 *db;
    struct error err;
    enum status status = store_begin(services()->store, &db, &err);
    for (int i = 0; i < count && status == OK; i++)
        status = store_event_insert(db, EVENT_LOG, NULL, NULL, filler, &err);
    if (status == OK)
        status = store_event_insert(db, EVENT_LOG, NULL, NULL, last, &err);
    assert_int_equal(store_end(services()->store, status, &err), OK);
}

static void empty_log(void)
{
    sqlite3 *db;
    struct error err;
    enum status status = store_begin(services()->store, &db, &err);
    if (status == OK)
        status = db_run(db, "DELETE FROM events", DB_NO_VALUES, &err);
    assert_int_equal(store_end(services()->store, status, &err), OK);
}

/* Once the log is emptied a client gets no more than what was in memory for it. One that reads shows that the thread has
 * come to the end of the log, and so has given the other one all that it will. */
static void what_a_slow_client_does_not_read_waits_in_the_log(void **state)
{
    (void)state;
    int buffered, slow = follow(&buffered), quick = follow(&buffered);
    write_log(0, "{\"message\":\"they are there\"}");
    read_up_to(slow, "they are there");
    read_up_to(quick, "they are there");
    write_log(EVENTS, "{\"message\":\"the first part is told\"}");
    size_t all = read_up_to(quick, "the first part is told");
    empty_log();
    write_log(0, "{\"message\":\"all is told\"}");
    read_up_to(quick, "all is told");
    size_t kept = read_up_to(slow, "all is told"), most = (size_t)buffered + STREAM_PENDING_MAX;
    assert_true(all > 2 * most);
    assert_in_range(kept, 1, most + 200); /* and the last message */
    close(slow);
    close(quick);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_slow_client_does_not_read_waits_in_the_log, setup, teardown),
    };
    return cmocka_run_group_tests(tests, services_start_engine, NULL);
}
