#include "tests/api/training.h"

#include <time.h>

#define PATIENCE 12000 /* looks of 10 ms */

static void wait_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

const char *text_at(const struct response *response, const char *pointer)
{
    const json_t *value = json_at(response, pointer);
    if (!json_is_string(value))
        fail_msg("no text at %s in %s", pointer, response->body);
    return json_string_value(value);
}

long long integer_at(const struct response *response, const char *pointer)
{
    const json_t *value = json_at(response, pointer);
    if (!json_is_integer(value))
        fail_msg("no integer at %s in %s", pointer, response->body);
    return json_integer_value(value);
}

void start_job(const struct server *server, const char *json, char ret_id[JOB_ID_SIZE])
{
    const struct response *response = post_json(server, "/api/v1/jobs", json);
    if (response->status != 202)
        fail_msg("%ld %s", response->status, response->body);
    snprintf(ret_id, JOB_ID_SIZE, "%s", text_at(response, "/id"));
}

const struct response *get_job(const struct server *server, const char *id)
{
    char path[64];
    snprintf(path, sizeof path, "/api/v1/jobs/%s", id);
    const struct response *response = get(server, path);
    if (response->status != 200)
        fail_msg("%s: %ld %s", path, response->status, response->body);
    return response;
}

const struct response *cancel_job(const struct server *server, const char *id)
{
    char path[64];
    snprintf(path, sizeof path, "/api/v1/jobs/%s/cancel", id);
    return send_call(server, &(struct call){.method = "POST", .path = path});
}

static bool is_final(const char *state)
{
    return strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0;
}

const struct response *wait_for_state(const struct server *server, const char *id, const char *state)
{
    for (int i = 0; i < PATIENCE; i++) {
        const struct response *job = get_job(server, id);
        const char *found = text_at(job, "/state");
        if (strcmp(found, state) == 0)
            return job;
        if (is_final(found))
            fail_msg("%s is not %s: %s", id, state, job->body);
        wait_a_moment();
    }
    fail_msg("%s is not %s yet", id, state);
    return NULL;
}

void wait_for_epoch(const struct server *server, const char *id, int epoch)
{
    for (int i = 0; i < PATIENCE; i++) {
        const struct response *job = get_job(server, id);
        if (json_is_object(json_at(job, "/progress")) && integer_at(job, "/progress/epoch") >= epoch)
            return;
        if (is_final(text_at(job, "/state")))
            fail_msg("%s is over: %s", id, job->body);
        wait_a_moment();
    }
    fail_msg("%s is not in epoch %d yet", id, epoch);
}
