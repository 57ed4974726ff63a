/* GET /api/v1/events, /api/v1/jobs/{id}/events, /api/v1/sweeps/{sweep}/events: pages of the log, or a stream of it */
#include <stdlib.h>
#include <string.h>

#include "server/app.h"
#include "server/event_streams.h"
#include "server/event_text.h"
#include "server/handlers.h"
#include "server/input.h"
#include "server/jobs.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/store_sweeps.h"

#define LIST_DEFAULT  100
#define STREAM_TYPE   "text/event-stream"
#define RETRY_SECONDS "5"

/* What a request asks for. */
struct wish {
    const char *job, *sweep; /* NULL: all */
    bool is_over;            /* nothing follows about it */
    bool has_after;
    int64_t after, limit;
};

static bool wants_stream(const struct request *request)
{
    const char *accept = request_header(request, "Accept");
    return accept && strstr(accept, STREAM_TYPE);
}

/* What an EventSource read last before it lost its connection; it repeats the address that it began with, so this comes
 * before `after`. */
static void read_last_id(const struct request *request, struct wish *wish, struct problems *problems)
{
    const char *last = request_header(request, "Last-Event-ID");
    if (!last)
        return;
    wish->has_after = input_parse_integer(last, 0, INT64_MAX - 1, &wish->after);
    if (!wish->has_after)
        problems_add(problems, ERR_ARGUMENT, "?Last-Event-ID", "\"%.40s\" is not the id of an event", last);
}

static bool read_job(struct app *app, struct request *request, struct wish *wish)
{
    struct job_view view;
    struct error err;
    wish->job = request_param(request, "id");
    if (!wish->job)
        return true;
    if (!job_id_is_valid(wish->job)) {
        reply_problem(request, PROBLEM_NOT_FOUND, "There is no such job: an id is job_ and 16 hex digits.");
        return false;
    }
    if (jobs_read(app->jobs, wish->job, &view, &err)) {
        reply_error(request, &err);
        return false;
    }
    wish->is_over = job_state_is_final(view.record.state);
    job_view_clear(&view);
    return true;
}

static bool read_sweep(struct app *app, struct request *request, struct wish *wish)
{
    struct sweep_record record;
    struct error err;
    wish->sweep = request_param(request, "sweep");
    if (!wish->sweep)
        return true;
    if (!sweep_id_is_valid(wish->sweep)) {
        reply_problem(request, PROBLEM_NOT_FOUND,
                      "There is no such sweep: an id is sweep_ and 16 hex digits.");
        return false;
    }
    if (store_sweep_read(app->store, wish->sweep, &record, &err)) {
        reply_error(request, &err);
        return false;
    }
    wish->is_over = sweep_state_is_final(record.state);
    sweep_record_clear(&record);
    return true;
}

static bool read_wish(struct app *app, struct request *request, struct wish *ret_wish)
{
    struct wish wish = {.limit = LIST_DEFAULT};
    struct problems problems = {0};
    input_query_integer(request, "after", 0, INT64_MAX - 1, &wish.after, &problems);
    input_query_integer(request, "limit", 1, STORE_LIST_MAX, &wish.limit, &problems);
    wish.has_after = request_query(request, "after") != NULL;
    read_last_id(request, &wish, &problems);
    if (problems.count) {
        reply_problems(request, PROBLEM_MALFORMED, &problems);
        return false;
    }
    if (!read_job(app, request, &wish) || !read_sweep(app, request, &wish))
        return false;
    *ret_wish = wish;
    return true;
}

/* Reads events; false after a reply that says why not. */
static bool list(struct app *app, struct request *request, const struct wish *wish,
                 struct event_record **ret_events, size_t *ret_count, bool *ret_has_more)
{
    struct event_filter filter = {.after = wish->after,
                                  .up_to = INT64_MAX,
                                  .job = wish->job,
                                  .sweep = wish->sweep,
                                  .limit = (size_t)wish->limit};
    struct error err;
    if (store_event_list(app->store, &filter, ret_events, ret_count, ret_has_more, &err) == OK)
        return true;
    reply_error(request, &err);
    return false;
}

static void free_list(struct event_record *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        event_record_clear(&events[i]);
    free(events);
}

static void reply_page(struct app *app, struct request *request, const struct wish *wish)
{
    struct event_record *events;
    size_t count;
    bool has_more;
    if (!list(app, request, wish, &events, &count, &has_more))
        return;
    char *page = events_to_page(events, count, has_more);
    free_list(events, count);
    if (page)
        reply_bytes_take(request, 200, "application/json", page, strlen(page));
    else
        reply_problem(request, PROBLEM_OVERLOADED, "No memory for a page of events.");
}

/* Whether a stream would have nothing to say, ever; true also after a reply that says why that is not known. */
static bool is_told(struct app *app, struct request *request, struct wish wish)
{
    struct event_record *events;
    size_t count;
    bool has_more;
    if (!wish.is_over)
        return false;
    wish.limit = 1;
    if (!list(app, request, &wish, &events, &count, &has_more))
        return true;
    free_list(events, count);
    if (count == 0)
        reply_empty(request, 204);
    return count == 0;
}

static void open_stream(struct app *app, struct request *request, const struct wish *wish)
{
    struct stream_start start = {
        .job = wish->job, .sweep = wish->sweep, .is_over = wish->is_over, .after = wish->after};
    if (!wish->job && !wish->sweep && !wish->has_after)
        start.after = STREAM_FROM_NOW;
    reply_header(request, "X-Accel-Buffering", "no");
    if (request_method(request) == HTTP_HEAD) {
        reply_static(request, 200, STREAM_TYPE, "", 0);
        return;
    }
    if (!event_streams_have_room(app->streams)) {
        reply_header(request, "Retry-After", RETRY_SECONDS);
        reply_problem(request, PROBLEM_BUSY,
                      "There are as many streams as may be; --event-streams allows more.");
        return;
    }
    int fd = request_detach(request, STREAM_TYPE, &start.head);
    if (fd < 0)
        reply_problem(request, PROBLEM_OVERLOADED, "No descriptor for a stream at the moment.");
    else
        event_streams_take(app->streams, fd, start);
}

void handle_events(struct app *app, struct request *request)
{
    struct wish wish;
    if (!read_wish(app, request, &wish))
        return;
    if (!wants_stream(request))
        reply_page(app, request, &wish);
    else if (!is_told(app, request, wish))
        open_stream(app, request, &wish);
}
